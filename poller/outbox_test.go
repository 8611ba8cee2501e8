package poller

import (
	"testing"
	"testing/synctest"

	"farmwire/diff"
)

// Observations that arrive while a transaction is in flight can all be received at once after it, so that they need
// only one more transaction.
func TestOutboxGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newOutbox()
		go box.run(t.Context())
		const observations = outboxSize + 100
		for range observations {
			box.put(t.Context(), diff.Observation{})
		}
		synctest.Wait()
		if got := len(box.out); got != outboxSize {
			t.Errorf("%d observations can be received at once, want %d", got, outboxSize)
		}
		for range observations {
			<-box.out
		}
		close(box.stop)
		if _, open := <-box.out; open {
			t.Error("the channel is open after the outbox was stopped")
		}
	})
}
