package farmwire

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/publisher"
	"farmwire/status"
)

// What waits is gathered up to the bound of a transaction, a tick gathers nothing, and the end of polling is an end.
func TestGather(t *testing.T) {
	never := make(chan time.Time)
	observations := make(chan diff.Observation, maxObservations+1)
	for range maxObservations + 1 {
		observations <- diff.Observation{}
	}
	for _, want := range []int{maxObservations, 1} {
		if got, err := gather(t.Context(), observations, never); err != nil || len(got) != want {
			t.Errorf("gathered %d, %v; want %d", len(got), err, want)
		}
	}
	tick := make(chan time.Time, 1)
	tick <- time.Time{}
	if got, err := gather(t.Context(), observations, tick); err != nil || len(got) != 0 {
		t.Errorf("a tick gathered %d, %v", len(got), err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := gather(stopped, observations, never); !errors.Is(err, context.Canceled) {
		t.Errorf("a stop is reported as %v", err)
	}
	close(observations)
	if _, err := gather(t.Context(), observations, never); !errors.Is(err, errPolled) {
		t.Errorf("the end of polling is reported as %v", err)
	}
}

// The state of a shard lives as long as its assignment, in whatever moment that ends: also in the pause after a failure,
// before the shard is acquired again.
func TestShardStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shardStates
		expect := func(want ...string) {
			t.Helper()
			r := status.Report{At: time.Now(), Stage: status.Running, Group: status.Group{Joined: true}, Shards: s.all(nil), Polling: status.Polling{Phase: status.Started, Answered: true, FarmShown: true}}
			if got := strings.Split(strings.TrimSpace(r.Text()), "\n"); !slices.Equal(got, want) {
				t.Errorf("told %q, want %q", got, want)
			}
		}
		standby := []string{"ready", "note: the consumer group has assigned no shard to this instance, which stands by"}
		expect(standby...)
		first, revoke := context.WithCancel(t.Context())
		s.set(first, 1, status.Acquiring)
		expect("shard 1 is being acquired")
		s.failed(first, 1, errPolled)
		expect("shard 1 waits to be acquired again: polling has ended")
		revoke()
		expect(standby...)
		s.failed(first, 1, errPolled) // serve returns after the assignment has ended
		expect(standby...)

		second, revoke := context.WithCancel(t.Context())
		defer revoke()
		s.set(second, 1, status.Followed)
		s.failed(first, 1, errPolled)
		expect("shard 1 has not committed its first transaction yet")
		s.failed(second, 1, errPolled)
		s.set(second, 1, status.Acquiring)
		expect("shard 1 is being acquired again after it failed: polling has ended")
	})
}

// memoryWriter is a shardWriter that fails as the test wants.
type memoryWriter struct{ err error }

func (w *memoryWriter) WithoutLeader(context.Context, []diff.Changes) ([]string, error) {
	return nil, nil
}
func (w *memoryWriter) CoverageWithoutLeader(context.Context) (string, error)     { return "", nil }
func (w *memoryWriter) PublishCoverage(context.Context, publisher.Coverage) error { return w.err }
func (w *memoryWriter) Publish(context.Context, []diff.Changes) error             { return w.err }

// A shard whose publishing fails again and again is not ready in between. A single failure is forgotten with the next commit.
func TestShardThatFailsAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shardStates
		broken := errors.New("no such topic")
		kafka := &memoryWriter{}
		w := &watchedWriter{shardWriter: kafka, states: &s, assigned: t.Context(), shard: 3}
		ready := func() bool {
			return status.Report{At: time.Now(), Stage: status.Running, Group: status.Group{Joined: true}, Shards: s.all(nil), Polling: status.Polling{Phase: status.Started, Answered: true, FarmShown: true}}.Ready()
		}
		failed := false
		follow := func() {
			t.Helper()
			s.set(t.Context(), 3, status.Followed)
			if ready() {
				t.Error("ready before a commit")
			}
			kafka.err = nil
			if err := w.PublishCoverage(t.Context(), publisher.Coverage{}); err != nil {
				t.Error(err)
			}
			if failed && ready() {
				t.Error("ready before what failed was published")
			}
			if err := w.Publish(t.Context(), []diff.Changes{{}}); err != nil {
				t.Error(err)
			}
		}
		fail := func() {
			t.Helper()
			kafka.err, failed = broken, true
			err := w.Publish(t.Context(), []diff.Changes{{Forgotten: []string{"session-1"}}})
			s.failed(t.Context(), 3, err)
			if !errors.Is(err, broken) || ready() {
				t.Errorf("%v, ready %v", err, ready())
			}
		}
		follow()
		if !ready() {
			t.Error("not ready after a commit")
		}
		fail()
		follow()
		if !ready() {
			t.Error("not ready after a single failure and a commit")
		}
		for range 5 {
			fail()
			time.Sleep(time.Second)
			follow()
			if ready() {
				t.Error("ready between two failures")
			}
		}
		time.Sleep(status.SettledFor)
		failed = false
		before := s.all(nil)[0].Committed
		if err := w.Publish(t.Context(), nil); err != nil || s.all(nil)[0].Committed != before || before.IsZero() {
			t.Error("nothing to publish counts as a commit")
		}
		follow()
		time.Sleep(status.SettledFor)
		if err := w.PublishCoverage(t.Context(), publisher.Coverage{}); err != nil || !ready() {
			t.Errorf("%v, ready %v a minute after the last failure", err, ready())
		}
	})
}

// Whatever is published of changes counts as a commit: events, records, tombstones and absences.
func TestWhatCountsAsACommit(t *testing.T) {
	for what, c := range map[string]diff.Changes{
		"events": {Events: []diff.Change{{}}}, "records": {Remembered: []diff.Record{{}}}, "tombstones": {Forgotten: []string{"session-1"}},
		"absences": {Absences: &diff.Absences{}},
	} {
		var s shardStates
		w := &watchedWriter{shardWriter: &memoryWriter{}, states: &s, assigned: t.Context()}
		if err := w.Publish(t.Context(), []diff.Changes{{}, c}); err != nil || s.all(nil)[0].Committed.IsZero() {
			t.Errorf("%s: %v, a commit at %v", what, err, s.all(nil)[0].Committed)
		}
	}
}

// uncovered returns the coverage of a shard that is told of no request.
func uncovered(l *loop) *shardCoverage {
	l.coverages = new(coverages)
	return l.coverages.begin(0, coverage.Config{Owns: func(string) bool { return true }}, nil, nil)
}
