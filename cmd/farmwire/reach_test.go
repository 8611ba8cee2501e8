package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/cluster"
)

// A cluster that is away for a while is a warning when it begins and when it is over. A short pause is none.
func TestWatchReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		down := func(from, to time.Duration) func() bool {
			return func() bool { d := time.Since(start); return d >= from && d < to }
		}
		away := []func() bool{down(9*time.Second, 16*time.Second), down(30*time.Second, 3*time.Minute), down(10*time.Minute, 11*time.Minute)}
		reach := func(ctx context.Context) error {
			for _, down := range away {
				if down() {
					time.Sleep(time.Second) // until it gives up
					return &cluster.Error{Kind: cluster.ConnectionRefused, Text: "no broker listens there"}
				}
			}
			return nil
		}
		var said []string
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		watchReach(ctx, reach, func(format string, args ...any) {
			said = append(said, fmt.Sprintf("%s %s", time.Since(start), fmt.Sprintf(format, args...)))
		})
		want := []string{
			"44s Kafka cannot be reached since 00:00:31 UTC, and events wait: no broker listens there: check --brokers, and that Kafka runs",
			"3m1s Kafka can be reached again, after 2m30s: what was published meanwhile follows",
			"10m14s Kafka cannot be reached since 00:10:01 UTC, and events wait: no broker listens there: check --brokers, and that Kafka runs",
			"11m1s Kafka can be reached again, after 1m0s: what was published meanwhile follows",
		}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Errorf("warnings (-want +got):\n%s", diff)
		}
	})
}

// An answer that fails because the command stops is no warning.
func TestWatchReachStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 17*time.Second)
		defer cancel()
		watchReach(ctx, func(ctx context.Context) error { <-ctx.Done(); return errors.New("stopped") }, func(format string, args ...any) {
			t.Errorf(format, args...)
		})
	})
}
