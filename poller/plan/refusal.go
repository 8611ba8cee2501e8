package plan

import (
	"fmt"
	"math"
	"time"
)

// Reason is why nothing is promised.
type Reason int

// The reasons. The first concerns starts and ends, the others starts alone.
const (
	TooMuchLoad Reason = 1 + iota // listings for the starts take too much of the requests
	Unannounced                   // too many sessions start beside an open one, which no status shows
	TooShort                      // too many sessions are over before the status of their worker is looked at
)

// Refusal is the error that no delay is promised, because the formula does not hold.
type Refusal struct {
	Reason      Reason
	Load        float64       // see Plan
	RoundRobin  Delay         // of TooMuchLoad from a load of 1 on: about that of starts, which is as if all workers were listed in turn
	StatusRound time.Duration // of TooShort: how long a round of looks at the statuses takes
	Enough      float64       // the lowest requests a second at which starts and ends are promised; 0 if there is none
}

// Error says why nothing is promised, and what would do.
func (r *Refusal) Error() string {
	return r.why() + "; " + r.remedy()
}

func (r *Refusal) why() string {
	switch {
	case r.Reason == Unannounced:
		return fmt.Sprintf("no delay of starts can be promised: more than %.0f %% of the sessions start beside an open session of the same worker, and no status announces those", 100*unannouncedShare)
	case r.Reason == TooShort:
		return fmt.Sprintf("no delay of starts can be promised: too many sessions are over before a status announces them, because workers report every %.0f s and a look at all statuses takes %v",
			heartbeat, r.StatusRound.Round(time.Second))
	case r.Load >= 1:
		return fmt.Sprintf("no delay can be promised: a listing for each start takes %.1f times the requests that there are, so that starts are seen about as late as if all workers were listed in turn, %v in the mean and %v at the 99th percentile",
			r.Load, r.RoundRobin.Mean.Round(time.Second), r.RoundRobin.P99.Round(time.Second))
	}
	return fmt.Sprintf("no delay can be promised: a listing for each start takes %.0f %% of the requests, and from %.0f %% on they queue up", 100*r.Load, 100*promisedLoad)
}

func (r *Refusal) remedy() string {
	if r.Enough == 0 {
		return "no rate would do"
	}
	return fmt.Sprintf("%v requests a second would do", RoundUp(r.Enough))
}

// RoundUp rounds a rate up to three digits, so that what it promises still holds.
func RoundUp(rate float64) float64 {
	if !(rate > 0) {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(rate))-2)
	if unit < 1 {
		return math.Ceil(rate/unit-1e-9) / math.Round(1/unit) // so that it prints as few digits
	}
	return math.Ceil(rate/unit-1e-9) * unit
}
