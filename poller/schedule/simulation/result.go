package simulation

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

const (
	checkEvery = 5 * time.Minute // whether everything is known
	longestRun = 24 * time.Hour  // after the window, until everything is known
)

// Result is what a simulation has shown of the changes in its window.
type Result struct {
	Starts, Ends, Updates Delays
	All                   Delays // Starts and Ends together
	Lost                  int    // sessions whose worker was deleted before their start was known, and whose start was not known at the end
	Unseen                int    // other starts and ends that were not known at the end
	UpdatesMissed         int    // updates that no answer has shown, because a later state followed

	Sessions        int                     // that started in the window
	Requests        map[schedule.Kind]int   // that were sent in the window
	Failed          map[schedule.Reason]int // those of them that failed
	Listings        int                     // complete ones that began in the window
	LongestUnlisted time.Duration           // the longest time between two complete listings of a worker that existed in the window
	Load            float64                 // starts a second, times the pages of a listing, for each request a second
	Unannounced     float64                 // the share of the starts that nothing could announce, see Simulation.unannounced
}

// Delays are how long it took until changes were known, in order.
type Delays []time.Duration

// Mean returns the mean, or 0 if there are none.
func (d Delays) Mean() time.Duration {
	var sum float64
	for _, x := range d {
		sum += float64(x)
	}
	return time.Duration(sum / float64(max(1, len(d))))
}

// Quantile returns the smallest delay that is not exceeded by a share q of all, or 0 if there are none.
func (d Delays) Quantile(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(len(d)-1, max(0, int(math.Ceil(q*float64(len(d))))-1))]
}

// Play runs a scheduler through warm-up and window, and then until all changes of the window are known, but for a day at
// most, and until there are very many requests or sessions. The function returns the scheduler for the configuration with its
// defaults; it knows nothing at the start.
func Play(ctx context.Context, c Config, scheduler func(Config, time.Time) Scheduler) (Result, error) {
	s, err := New(c)
	if err != nil {
		return Result{}, err
	}
	c = s.config
	s.Drive(scheduler(c, s.Now()))
	end := c.WarmUp + c.Window
	for s.now < end {
		if err := errors.Join(ctx.Err(), s.Run(min(checkEvery, end-s.now))); err != nil {
			return Result{}, err
		}
	}
	for s.pending(c.WarmUp, end) && s.now < end+longestRun && len(s.sent) < 2*mostRequests && len(s.world.sessions) < 2*mostSessions {
		if err := errors.Join(ctx.Err(), s.Run(checkEvery)); err != nil {
			return Result{}, err
		}
	}
	return s.Measure(c.WarmUp, end), nil
}

// updated notes that an answer that has arrived now showed an update of that kind.
func (s *session) updated(now time.Duration, kind diff.Kind) {
	for i := len(s.updates) - 1; i >= 0; i-- {
		if s.updates[i] <= now && (i%2 == 0) == (kind == diff.Updating) {
			s.updatesKnown = append(s.updatesKnown, known{number: i + 1, at: now})
			return
		}
	}
}

// isLost reports whether the start will probably never be known, because the worker was deleted long before. Only a list of
// the job can still show it.
func (s *session) isLost(now time.Duration) bool {
	return s.startKnown == never && s.worker.deleted < now-time.Minute
}

// measured calls f for every session of a worker whose listings are neither hanging nor refused.
func (s *Simulation) measured(f func(*session)) {
	for _, session := range s.world.sessions {
		if session.worker.fault.Reason == "" {
			f(session)
		}
	}
}

// pending reports whether changes of that time are not known yet, but will be.
func (s *Simulation) pending(from, to time.Duration) bool {
	pending := false
	s.measured(func(n *session) {
		open := isWithin(n.start, from, to) && n.startKnown == never || isWithin(n.end, from, to) && n.endKnown == never
		pending = pending || open && !n.isLost(s.now)
	})
	return pending
}

func isWithin(t, from, to time.Duration) bool { return from <= t && t < to }

// Measure returns what was shown of the changes from one time to another, both since the start.
func (s *Simulation) Measure(from, to time.Duration) Result {
	r := Result{Requests: make(map[schedule.Kind]int), Failed: make(map[schedule.Reason]int)}
	pages := 0
	s.measured(func(n *session) {
		r.measure(n, from, to, n.isLost(s.now))
		if isWithin(n.start, from, to) {
			pages += n.worker.pages
		}
	})
	r.All = slices.Concat(r.Starts, r.Ends)
	for _, d := range []Delays{r.Starts, r.Ends, r.All, r.Updates} {
		slices.Sort(d)
	}
	for _, x := range s.sent {
		if isWithin(x.At, from, to) {
			r.Requests[x.Kind]++
			if x.Reason != "" {
				r.Failed[x.Reason]++
			}
		}
	}
	for _, l := range s.Listings {
		if l.Complete && isWithin(l.Began, from, to) {
			r.Listings++
		}
	}
	r.Load = float64(pages) / (to - from).Seconds() / s.config.Rate
	r.Unannounced = float64(s.unannounced(from, to)) / float64(max(1, r.Sessions))
	r.LongestUnlisted = s.longestUnlisted(from, to)
	return r
}

// unannounced returns how many of the sessions that started in that time nothing could announce: another session of the worker
// was open then, so that the status did not change, or no heartbeat reported the session while it was open.
func (s *Simulation) unannounced(from, to time.Duration) int {
	count := 0
	for _, f := range s.world.fleets {
		for _, w := range f.workers {
			lastEnd := -never
			for _, n := range w.sessions {
				isHidden := lastEnd > n.start || w.lastHeartbeat(n.end-1) < n.start
				if isHidden && isWithin(n.start, from, to) && w.fault.Reason == "" {
					count++
				}
				lastEnd = max(lastEnd, n.end)
			}
		}
	}
	return count
}

// measure adds the changes of a session.
func (r *Result) measure(n *session, from, to time.Duration, lost bool) {
	if isWithin(n.start, from, to) {
		r.Sessions++
		switch {
		case n.startKnown != never:
			r.Starts = append(r.Starts, n.startKnown-n.start)
		case lost:
			r.Lost++
		default:
			r.Unseen++
		}
	}
	if isWithin(n.end, from, to) && !lost {
		if n.endKnown != never {
			r.Ends = append(r.Ends, n.endKnown-n.end)
		} else {
			r.Unseen++
		}
	}
	seen := 0
	for _, k := range n.updatesKnown {
		if isWithin(n.updates[k.number-1], from, to) {
			r.Updates = append(r.Updates, k.at-n.updates[k.number-1])
			seen++
		}
	}
	for _, at := range n.updates {
		if isWithin(at, from, to) {
			r.UpdatesMissed++
		}
	}
	r.UpdatesMissed -= seen
}

// longestUnlisted looks at the times between two listings that overlap the given time.
func (s *Simulation) longestUnlisted(from, to time.Duration) time.Duration {
	var longest time.Duration
	for _, f := range s.world.fleets {
		for _, w := range f.workers {
			if w.fault.Reason != "" {
				continue
			}
			last := max(0, w.created)
			for _, at := range append(slices.Clone(w.listed), s.now) {
				at = min(at, w.deleted)
				if at > from && last < to {
					longest = max(longest, at-last)
				}
				last = at
			}
		}
	}
	return longest
}
