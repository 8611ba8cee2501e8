package farmwire

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// What waits is gathered up to the bound of a transaction, a tick gathers nothing, and the end of polling is an end.
func TestGather(t *testing.T) {
	never := make(chan time.Time)
	observations := make(chan diff.Observation, batchObservations+1)
	for range batchObservations + 1 {
		observations <- diff.Observation{}
	}
	for _, want := range []int{batchObservations, 1} {
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
		t.Errorf("a stop is told as %v", err)
	}
	close(observations)
	if _, err := gather(t.Context(), observations, never); !errors.Is(err, errPolled) {
		t.Errorf("the end of polling is told as %v", err)
	}
}

// A shard that fails stays named until it is followed or taken away.
func TestShardStates(t *testing.T) {
	var s shardStates
	missing := func(want ...string) {
		t.Helper()
		if got := s.missing(); !slices.Equal(got, want) {
			t.Errorf("missing %q, want %q", got, want)
		}
	}
	missing("the consumer group has assigned no shard to this instance")
	s.set(1, "")
	s.set(0, "waits")
	missing("shard 0 waits")
	s.set(0, "")
	missing()
	s.set(0, "waits")
	s.drop(0)
	missing()
}
