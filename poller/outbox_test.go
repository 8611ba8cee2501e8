package poller

import (
	"testing"
	"testing/synctest"

	"farmwire/diff"
)

// What arrives while a transaction is in flight must be found in one go, or each of it costs a transaction.
func TestOutboxGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newOutbox()
		go box.run()
		const observations = outboxSize + 100
		for range observations {
			box.in <- diff.Observation{}
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
			t.Error("the channel is open after the end")
		}
	})
}
