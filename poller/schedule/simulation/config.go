package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"farmwire/poller/schedule"
)

// Mix is how sessions come about.
type Mix string

// The mixes. Unless a mix says something else, a third of the workers has an open session at any time.
const (
	Even              Mix = "even"                // all workers are alike
	Skewed            Mix = "skewed"              // a tenth of the workers has nine tenths of the starts
	Bursts            Mix = "bursts"              // jobs of 500 sessions start together, or of half as many as there are workers
	DeepHistory       Mix = "deep-history"        // even, and listings have 30 pages
	DeepHistoryOldest Mix = "deep-history-oldest" // the same, and lists show the oldest sessions first
	Autoscaling       Mix = "autoscaling"         // workers are created and deleted; their number swings by a quarter within an hour
	Idle              Mix = "idle"                // a worker has no open session for 95 % of the time
	Busy              Mix = "busy"                // the next session starts soon after the last one has ended
	TwoAtOnce         Mix = "two-at-once"         // on a third of the workers two sessions may be open at a time
	Regular           Mix = "regular"             // even, and all sessions are about equally long: the coefficient of variation is 0.1
	Exponential       Mix = "exponential"         // even, and the lengths in a queue have an exponential distribution
	HeavyTail         Mix = "heavy-tail"          // even, and a few sessions are very long: the coefficient of variation in a queue is 2
	Updates           Mix = "updates"             // even, and the status of an open session changes four times
)

// Mixes returns all mixes.
func Mixes() []Mix {
	return []Mix{
		Even, Skewed, Bursts, DeepHistory, DeepHistoryOldest, Autoscaling, Idle, Busy, TwoAtOnce, Regular, Exponential, HeavyTail, Updates,
	}
}

// Fleet is a fleet of the model.
type Fleet struct {
	Farm    int // number of its farm, from 0
	Workers int
	Pages   int // of a listing of a worker; 0 for Config.Pages
}

// Config says what is simulated. The zero value of a field stands for its default.
type Config struct {
	Mix         Mix           // default Even
	Workers     int           // default 1,000; the average with Autoscaling
	Fleets      []Fleet       // default: fleets of at most 1,500 workers in one farm; else their workers count, and not Workers
	Rate        float64       // requests a second; default 1
	Session     time.Duration // mean length of a session; default 10 minutes
	Seed        uint64
	JobSize     int           // mean number of sessions of a job; default 100
	Pages       int           // of a listing; default 1, or 30 with DeepHistory and DeepHistoryOldest
	OldestFirst bool          // the order of lists of sessions; always so with DeepHistoryOldest
	WarmUp      time.Duration // before the window; default 30 minutes
	Window      time.Duration // changes in this time are measured; default 1 hour
	Staleness   time.Duration // see schedule.Config; default 15 s
	Discovery   time.Duration // see schedule.Config; default 30 s

	Hanging   float64 // share of the workers of which listings hang; their changes are not measured
	Refused   float64 // share of the workers of which listings are denied; their changes are not measured
	Throttled float64 // share of the requests that are throttled
	Quota     float64 // requests a second that the service answers; 0 for no limit

	// Fault is called once for every request that is sent, and returns what goes wrong with it. The zero Fault means that
	// nothing does. The function may be nil: then nothing ever goes wrong.
	Fault func(now time.Time, c schedule.Call) Fault
	// CommitDelay is how long an observation takes to be committed; default 5 ms.
	CommitDelay time.Duration
}

// WithDefaults returns the configuration with the defaults of fields that have none.
func (c Config) WithDefaults() Config {
	setDefault(&c.Mix, Even)
	setDefault(&c.Workers, 1000)
	setDefault(&c.Rate, 1)
	setDefault(&c.Session, 10*time.Minute)
	setDefault(&c.JobSize, 100)
	setDefault(&c.Pages, c.Mix.defaultPages())
	c.OldestFirst = c.OldestFirst || c.Mix == DeepHistoryOldest
	setDefault(&c.WarmUp, 30*time.Minute)
	setDefault(&c.Window, time.Hour)
	setDefault(&c.Staleness, 15*time.Second)
	setDefault(&c.Discovery, 30*time.Second)
	setDefault(&c.CommitDelay, 5*time.Millisecond)
	if len(c.Fleets) > 0 {
		c.Workers = 0
		for _, f := range c.Fleets {
			c.Workers += f.Workers
		}
		return c
	}
	const largest = 1500
	for left := c.Workers; left > 0; left -= largest {
		c.Fleets = append(c.Fleets, Fleet{Workers: min(left, largest)})
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// What a simulation may need of memory and time.
const (
	mostWorkers  = 100_000
	mostPages    = 1000
	mostRate     = 10_000
	mostTime     = 1000 * time.Hour
	mostSessions = 5_000_000
	mostRequests = 10_000_000
)

// Check returns what is wrong with a configuration of which no field stands for a default.
func (c Config) Check() error {
	isWithin := func(d, least time.Duration) bool { return least <= d && d <= mostTime }
	isShare := func(x float64) bool { return x >= 0 && x <= 1 }
	span := c.WarmUp.Seconds() + c.Window.Seconds()
	switch {
	case !slices.Contains(Mixes(), c.Mix):
		return fmt.Errorf("there is no mix %q", c.Mix)
	case c.Workers < 1 || c.Workers > mostWorkers:
		return fmt.Errorf("%d workers, and there must be from 1 to %d", c.Workers, mostWorkers)
	case !(c.Rate >= 0.01 && c.Rate <= mostRate):
		return fmt.Errorf("a rate of %v, and it must be from 0.01 to %d requests a second", c.Rate, mostRate)
	case !isWithin(c.Session, time.Second):
		return fmt.Errorf("sessions of %v, and they must last from 1s to %v", c.Session, mostTime)
	case c.JobSize < 1 || c.JobSize > mostSessions:
		return fmt.Errorf("jobs of %d sessions, and they must have from 1 to %d", c.JobSize, mostSessions)
	case c.Pages < 1 || c.Pages > mostPages:
		return fmt.Errorf("listings of %d pages, and they must have from 1 to %d", c.Pages, mostPages)
	case !isWithin(c.Window, time.Second) || !isWithin(c.WarmUp, 0):
		return fmt.Errorf("a window of %v after %v, and the window must be from 1s to %v, and the time before it from 0s",
			c.Window, c.WarmUp, mostTime)
	case !isWithin(c.Staleness, time.Second) || !isWithin(c.Discovery, time.Second):
		return fmt.Errorf("a staleness of %v and discovery every %v, and both must be from 1s to %v",
			c.Staleness, c.Discovery, mostTime)
	case !isShare(c.Hanging) || !isShare(c.Refused) || !isShare(c.Throttled) || c.Hanging+c.Refused > 1:
		return errors.New("shares must be from 0 to 1, and those of hanging and refused workers at most 1 together")
	case !(c.Quota >= 0 && c.Quota <= mostRate):
		return fmt.Errorf("a quota of %v, and it must be from 0 to %d requests a second", c.Quota, mostRate)
	case float64(c.Workers)*span/c.Session.Seconds() > mostSessions || c.Rate*span > mostRequests:
		return errors.New("that is too much to simulate: use fewer workers, longer sessions, a lower rate or a shorter window")
	}
	return nil
}
