package poller

import (
	"math/rand/v2"
	"time"
)

// target is what discovery looks into: all farms (no identifier), the fleets of a farm, or
// the workers of a fleet.
type target struct {
	farm, fleet string
}

func (t target) kind() kind {
	switch {
	case t.farm == "":
		return listFarms
	case t.fleet == "":
		return listFleets
	}
	return listWorkers
}

// search is the state of one target.
type search struct {
	target
	due       time.Time
	calling   bool
	begun     time.Time
	completed time.Time // when the last complete look had begun
	lasted    time.Duration
	failed    int // in a row
	reason    Reason
}

// rounds decides when to look for farms, fleets and workers. Each target has its own time,
// so that one that fails or is slow holds up no other. Where the budget is short the rounds
// become longer. There are few targets: going through all of them costs nothing.
type rounds struct {
	every    time.Duration
	random   *rand.Rand
	searches map[target]*search
}

func newRounds(every time.Duration, random *rand.Rand) *rounds {
	return &rounds{every: every, random: random, searches: make(map[target]*search)}
}

// add makes a target known; it is due at once.
func (r *rounds) add(t target, now time.Time) {
	if _, ok := r.searches[t]; !ok {
		r.searches[t] = &search{target: t, due: now}
	}
}

// keep drops the targets below a farm (its fleets), or below all farms, that are not in the
// list.
func (r *rounds) keep(above target, listed map[string]bool) {
	for t := range r.searches {
		switch above.kind() {
		case listFarms:
			if t.farm != "" && !listed[t.farm] {
				delete(r.searches, t)
			}
		case listFleets:
			if t.farm == above.farm && t.fleet != "" && !listed[t.fleet] {
				delete(r.searches, t)
			}
		}
	}
}

// next gives the target that is due first, with the time at which its call may begin.
func (r *rounds) next(open *gates) (*search, time.Time) {
	var first *search
	var at time.Time
	for _, s := range r.searches {
		if s.calling {
			continue
		}
		if t := latest(s.due, open[s.kind()]); first == nil || t.Before(at) || t.Equal(at) && s.due.Before(first.due) {
			first, at = s, t
		}
	}
	return first, at
}

// begin notes that the target is being looked into.
func (s *search) begin(now time.Time) {
	s.calling, s.begun = true, now
}

// done notes how the look went. A target that was dropped meanwhile is nil.
func (r *rounds) done(t target, err error, now time.Time) *search {
	s := r.searches[t]
	if s == nil {
		return nil
	}
	s.calling = false
	if err != nil {
		s.failed, s.reason = s.failed+1, reasonOf(err)
		s.due = now.Add(min(r.every, backoff(s.failed, r.random)))
		return s
	}
	if !s.completed.IsZero() {
		s.lasted = s.begun.Sub(s.completed)
	}
	s.failed, s.reason, s.completed = 0, "", s.begun
	s.due = s.begun.Add(jitter(r.every, r.random.Float64()))
	return s
}

// failing reports whether what could show a fleet's workers was not to be had three times in
// a row: the fleet, its farm or all farms.
func (r *rounds) failing(farm, fleet string) bool {
	for _, t := range [...]target{{}, {farm: farm}, {farm: farm, fleet: fleet}} {
		if s := r.searches[t]; s != nil && s.failed >= blindAfter {
			return true
		}
	}
	return false
}

// longest is the longest time from one complete look to the next, by the last of each target.
func (r *rounds) longest() time.Duration {
	var l time.Duration
	for _, s := range r.searches {
		l = max(l, s.lasted)
	}
	return l
}

// pending counts the targets that were never looked into completely.
func (r *rounds) pending() int {
	n := 0
	for _, s := range r.searches {
		if s.completed.IsZero() {
			n++
		}
	}
	return n
}
