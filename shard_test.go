package farmwire

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"farmwire/diff"
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

// A shard that fails stays named until it is followed again or taken away.
func TestShardStates(t *testing.T) {
	var s shardStates
	unready := func(want ...string) {
		t.Helper()
		report := status.Report{Stage: status.Running, Shards: s.all(), Polling: status.Polling{Phase: status.Started, Answered: true}}
		if got := report.Unready(); !slices.Equal(got, want) {
			t.Errorf("unready %q, want %q", got, want)
		}
	}
	unready("the consumer group has assigned no shard to this instance")
	s.set(1, status.Followed, nil)
	s.set(0, status.Waiting, errPolled)
	unready("shard 0 waits to be acquired again: polling has ended")
	s.set(0, status.Followed, nil)
	unready()
	s.set(0, status.Waiting, errPolled)
	s.drop(0)
	unready()
}
