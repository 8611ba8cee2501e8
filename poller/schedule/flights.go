package schedule

import "time"

// A call that hangs must not keep the others waiting. So there are places for calls in flight by what they are for, and a
// call that is in flight for slowAfter gives its place back. How many slow calls there may be is limited by scope, see
// scope.go, and in all.
const (
	slowAfter       = time.Second
	listingPlaces   = 48  // for listings that are not slow
	lookupPlaces    = 12  // for lookups that are not slow
	statusPlaces    = 12  // for statuses of workers that are not slow
	jobPages        = 4   // for pages of listings of jobs that are not slow
	discoveryPlaces = 8   // for lists of discovery that are not slow
	maxInFlight     = 200 // calls of all kinds, with the slow ones
	againPlaces     = 4   // for listings of workers whose last listing failed, with the slow ones
	againLists      = 2   // for lists of discovery that failed the last time, with the slow ones
)

// purpose is what calls are for, as far as places in flight are concerned.
type purpose int

const (
	forListing purpose = iota
	forLookup
	forDiscovery
	forStatus
	forJob
	purposes
)

func (k Kind) purpose() purpose {
	switch {
	case k.IsDiscovery():
		return forDiscovery
	case k == BatchGetWorker:
		return forStatus
	case k == ListSessions:
		return forJob
	case k == ListSessionsForWorker:
		return forListing
	}
	return forLookup
}

// fly notes a call that is sent.
func (s *Schedule) fly(f *flight) {
	s.flights[f.number] = f
	s.recent = append(s.recent, f)
	s.fast[f.task.kind.purpose()]++
	if f.task.again {
		s.again[f.task.kind.purpose()]++
	}
	if w := f.task.worker; w != nil {
		w.fleet.flew(f.sent)
	}
}

// land notes that a call has ended.
func (s *Schedule) land(f *flight) {
	delete(s.flights, f.number)
	if f.task.again {
		s.again[f.task.kind.purpose()]--
	}
	if f.isSlow {
		s.countSlow(f.task, -1)
	} else {
		s.fast[f.task.kind.purpose()]--
	}
	if w := f.task.worker; w != nil {
		w.fleet.landed(f.isSlow)
	}
	f.hasLanded = true
}

// countSlow counts a call that is slow, or counts it no longer.
func (s *Schedule) countSlow(t *task, by int) {
	s.slow[t.kind.purpose()] += by
	if t.farm != nil {
		t.farm.hanging[t.kind] += by
	}
}

// noteSlow gives back the places of calls that have become slow.
func (s *Schedule) noteSlow(now time.Time) {
	for len(s.recent) > 0 {
		f := s.recent[0]
		if !f.hasLanded {
			if now.Sub(f.sent) < slowAfter {
				return
			}
			f.isSlow = true
			s.fast[f.task.kind.purpose()]--
			s.countSlow(f.task, 1)
			if w := f.task.worker; w != nil {
				w.fleet.becameSlow()
			}
		}
		s.recent[0] = nil
		s.recent = s.recent[1:]
	}
}

// hasPlace reports whether another call may be in flight. If not, it waits until one becomes slow; one that lands wakes the
// poller anyway.
func (c *choice) hasPlace(u purpose) bool {
	limit := [purposes]int{listingPlaces, lookupPlaces, discoveryPlaces, statusPlaces, jobPages}[u]
	if len(c.s.flights) < maxInFlight && c.s.fast[u] < limit {
		return true
	}
	c.waitForSlow()
	return false
}

// waitForSlow waits until the next call becomes slow.
func (c *choice) waitForSlow() {
	for _, f := range c.s.recent {
		if !f.hasLanded {
			c.wait(f.sent.Add(slowAfter))
			return
		}
	}
}
