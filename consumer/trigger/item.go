package trigger

import (
	"math/rand/v2"
	"time"

	"farmwire/consumer"
	"farmwire/event"
)

// item is an event that was read and is not done.
type item struct {
	record    consumer.Record
	event     event.Event
	partition *partition

	tries       int       // in all
	attempts    int       // tries that the target refused
	failures    int       // tries that came to nothing
	due         time.Time // of the next try; zero before the first one
	first, last time.Time // when the first and the last try began
	result      Result    // of the last try
	running     bool      // a try, or the copy to the dead-letter topic, is under way
	retry       bool      // and it takes a slot of those that have failed before
	dead        deadReason
}

const (
	firstPause   = time.Second // after the first failure of an event, doubled after each further one
	longestPause = 5 * time.Minute
)

// pause returns how long an event waits after a number of failures: at most firstPause, doubled for each but the first. It is a
// random time from half of that on, so that events that failed together do not come together again.
func pause(failures int) time.Duration {
	d := min(firstPause<<min(failures-1, 20), longestPause)
	return d/2 + rand.N(d/2+1)
}

// age returns how long before now the event happened.
func (i *item) age(now time.Time) time.Duration { return now.Sub(i.event.Time) }
