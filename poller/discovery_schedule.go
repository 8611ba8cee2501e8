package poller

import (
	"math/rand/v2"
	"time"
)

// discoveryTarget is what discovery lists: all farms, if both identifiers are empty; the fleets of a farm,
// if only the fleet is empty; else the workers of a fleet.
type discoveryTarget struct {
	farm, fleet string
}

// kind returns the kind of the calls that list the target.
func (t discoveryTarget) kind() callKind {
	switch {
	case t.farm == "":
		return listFarms
	case t.fleet == "":
		return listFleets
	}
	return listWorkers
}

// targetState is what the schedule knows of a target.
type targetState struct {
	discoveryTarget
	due       time.Time // the next call
	inFlight  bool
	begun     time.Time     // when the last call began
	completed time.Time     // when the last call began that listed everything
	interval  time.Duration // between the beginnings of the last two such calls
	failures  int           // in a row
	reason    Reason        // of the last failure
	notFound  string        // farm or fleet: the last answer was that it does not exist
}

// discoverySchedule decides when to list farms, fleets and workers. Each target is due at a time of its own,
// so that a target that fails or is slow delays no other. If the budget is too small, all are listed less
// often. There are few targets, so going through all of them is cheap.
type discoverySchedule struct {
	every   time.Duration
	random  *rand.Rand
	targets map[discoveryTarget]*targetState
}

func newDiscoverySchedule(every time.Duration, random *rand.Rand) *discoverySchedule {
	return &discoverySchedule{every: every, random: random, targets: make(map[discoveryTarget]*targetState)}
}

// add adds a target, which is due at once.
func (d *discoverySchedule) add(t discoveryTarget, now time.Time) {
	if _, ok := d.targets[t]; !ok {
		d.targets[t] = &targetState{discoveryTarget: t, due: now}
	}
}

// keep removes the targets that a complete list does not show. The list is that of all farms or, if above is
// a farm, that of its fleets.
func (d *discoverySchedule) keep(above discoveryTarget, listed map[string]bool) {
	for t := range d.targets {
		switch above.kind() {
		case listFarms:
			if t.farm != "" && !listed[t.farm] {
				delete(d.targets, t)
			}
		case listFleets:
			if t.farm == above.farm && t.fleet != "" && !listed[t.fleet] {
				delete(d.targets, t)
			}
		}
	}
}

// next returns the target whose call may begin first, and the time at which it may begin.
func (d *discoverySchedule) next(earliest *startTimes) (*targetState, time.Time) {
	var first *targetState
	var at time.Time
	for _, s := range d.targets {
		if s.inFlight {
			continue
		}
		if t := latest(s.due, earliest[s.kind()]); first == nil || t.Before(at) || t.Equal(at) && s.due.Before(first.due) {
			first, at = s, t
		}
	}
	return first, at
}

// begin notes that a call begins.
func (s *targetState) begin(now time.Time) {
	s.inFlight, s.begun = true, now
}

// done notes how a call ended. The target may have been removed since the call began.
func (d *discoverySchedule) done(t discoveryTarget, err error, now time.Time) {
	s := d.targets[t]
	if s == nil {
		return
	}
	s.inFlight = false
	s.notFound = notFoundKind(err, map[string]string{t.farm: "farm", t.fleet: "fleet"})
	if err != nil {
		s.failures, s.reason = s.failures+1, reasonOf(err)
		s.due = now.Add(min(d.every, backoff(s.failures, d.random)))
		return
	}
	if !s.completed.IsZero() {
		s.interval = s.begun.Sub(s.completed)
	}
	s.failures, s.reason, s.completed = 0, "", s.begun
	s.due = s.begun.Add(jitter(d.every, d.random.Float64()))
}

// failing reports whether anything that would show a fleet's workers is failing: the list of the fleet's
// workers, of its farm's fleets, or of all farms.
func (d *discoverySchedule) failing(farm, fleet string) bool {
	for _, t := range [...]discoveryTarget{{}, {farm: farm}, {farm: farm, fleet: fleet}} {
		if s := d.targets[t]; s != nil && s.failures >= failingAfter {
			return true
		}
	}
	return false
}

// longestInterval returns the longest of the targets' intervals.
func (d *discoverySchedule) longestInterval() time.Duration {
	var longest time.Duration
	for _, s := range d.targets {
		longest = max(longest, s.interval)
	}
	return longest
}

// pending counts the targets that were never listed completely.
func (d *discoverySchedule) pending() int {
	n := 0
	for _, s := range d.targets {
		if s.completed.IsZero() {
			n++
		}
	}
	return n
}
