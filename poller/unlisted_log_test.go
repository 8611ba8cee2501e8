package poller

import (
	"slices"
	"testing"

	"farmwire/diff"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// Many workers that cannot be listed give one warning for each fleet and reason, and one line when all is well again.
func TestUnlistedLog(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	l := &loop{log: zap.New(core), schedule: &schedule{blind: make(map[*entry]struct{})}, warned: make(unlistedLog)}
	worker := func(fleet, id string) *entry {
		return &entry{key: diff.WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: id}}
	}
	fails := func(e *entry, reason Reason) {
		l.logUnlisted(e, &attemptError{reason: reason, cause: ErrCredentials})
		l.schedule.blind[e] = struct{}{}
	}
	recovers := func(e *entry) {
		l.logListedAgain(e)
		delete(l.schedule.blind, e)
	}
	expect := func(want ...string) {
		t.Helper()
		var got []string
		for _, entry := range logged.TakeAll() {
			got = append(got, entry.Level.String()+" "+entry.ContextMap()["worker"].(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged %q, want %q", got, want)
		}
	}
	a, b, c, other := worker("fleet", "a"), worker("fleet", "b"), worker("fleet", "c"), worker("other", "d")
	fails(a, ReasonDenied)
	fails(b, ReasonDenied)
	expect("warn a")
	fails(c, ReasonTimeout)
	fails(other, ReasonDenied)
	expect("warn c", "warn d")
	recovers(c)
	recovers(a)
	expect()
	fails(a, ReasonDenied) // again, while b still fails
	expect()
	recovers(a)
	recovers(b)
	expect("info b")
	fails(a, ReasonDenied)
	expect("warn a")

	// A worker that was deleted or given away does not recover.
	delete(l.schedule.blind, a)
	fails(b, ReasonDenied)
	expect("warn b")
}
