package simulation

import (
	"time"

	"farmwire/poller/schedule"
)

// RequestTimeout is how long an answer is waited for.
const RequestTimeout = 10 * time.Second

// Fault is what is wrong with a request.
type Fault struct {
	Reason     schedule.Reason // empty for none
	RetryAfter time.Duration
	After      time.Duration // when the answer arrives; 0 for the usual round trip
}

// Hang is the fault of a request that is never answered.
func Hang() Fault { return Fault{Reason: schedule.Timeout, After: RequestTimeout} }

// Quota returns a function for Config.Fault: a service that answers so many requests a second, and throttles those beyond.
// It saves up the requests of one second. The function returns the number at a time.
func Quota(perSecond func(now time.Time) float64) func(time.Time, schedule.Call) Fault {
	var tokens float64
	var at time.Time
	return func(now time.Time, _ schedule.Call) Fault {
		rate := perSecond(now)
		if at.IsZero() {
			tokens = rate
		} else {
			tokens = min(max(rate, 1), tokens+now.Sub(at).Seconds()*rate)
		}
		if at = now; tokens < 1 {
			return Fault{Reason: schedule.Throttled}
		}
		tokens--
		return Fault{}
	}
}

// fault returns the fault of a request by the configuration.
func (s *Simulation) fault(c schedule.Call) Fault {
	if s.config.Fault != nil {
		if f := s.config.Fault(s.Now(), c); f.Reason != "" {
			return f
		}
	}
	if s.config.Throttled > 0 && s.random.Float64() < s.config.Throttled {
		return Fault{Reason: schedule.Throttled}
	}
	if s.quota != nil {
		if f := s.quota(s.Now(), c); f.Reason != "" {
			return f
		}
	}
	if c.Kind == schedule.ListSessionsForWorker {
		if w := s.world.workers[c.Worker]; w != nil {
			return w.fault
		}
	}
	return Fault{}
}
