package proxy

import "time"

// Outcome is what became of a request that was held back.
type Outcome int

const (
	Undelivered Outcome = iota // no later transaction came in time, or the broker did not answer
	Refused                    // the broker answered with an error; to a produce request, with one for each partition
	Accepted                   // the broker answered without an error; to a produce request, for at least one partition
)

// outcomeWithin waits up to d for an outcome.
func outcomeWithin(d time.Duration, outcome <-chan Outcome, done <-chan struct{}) Outcome {
	select {
	case o := <-outcome:
		return o
	case <-time.After(d):
	case <-done:
	}
	return Undelivered
}
