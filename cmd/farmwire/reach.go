package main

import (
	"context"
	"time"
)

const (
	reachEvery       = 5 * time.Second  // how often the cluster is asked for an answer
	unreachableAfter = 10 * time.Second // how long the cluster may give no answer before a warning
)

// watchReach asks again and again, until ctx ends, whether a cluster can be reached. It warns once when it could not be for a
// while, and once when that is over.
func watchReach(ctx context.Context, reach func(context.Context) error, warn func(format string, args ...any)) {
	var since time.Time // when the first of the failures in a row began
	for warned := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(reachEvery):
		}
		began := time.Now()
		err := reach(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && since.IsZero():
			since = began
		case err != nil && !warned && time.Since(since) >= unreachableAfter:
			warn("Kafka cannot be reached since %s UTC, and events wait: %v", since.UTC().Format(time.TimeOnly), withHint(err))
			warned = true
		case err == nil:
			if warned {
				warn("Kafka can be reached again, after %s: what was published meanwhile follows", time.Since(since).Round(time.Second))
			}
			since, warned = time.Time{}, false
		}
	}
}
