package diff

// merged returns the state of a session of which earlier was known before later was seen. ENDED, endedAt
// and an ENDED target stay once they were seen, and no target does not replace one. Everything else is as
// it was seen later, unless only the earlier state had ended.
func merged(earlier, later Session) Session {
	m := later
	if earlier.HasEnded() && !later.HasEnded() {
		m = earlier
	}
	if earlier.LifecycleStatus == StatusEnded {
		m.LifecycleStatus = StatusEnded
	}
	if m.EndedAt.IsZero() {
		m.EndedAt = earlier.EndedAt
	}
	m.TargetLifecycleStatus = later.TargetLifecycleStatus
	if later.TargetLifecycleStatus == "" || earlier.TargetLifecycleStatus == StatusEnded {
		m.TargetLifecycleStatus = earlier.TargetLifecycleStatus
	}
	return m
}

// same reports whether going from one state to the other is no change.
func same(a, b Session) bool {
	return a.LifecycleStatus == b.LifecycleStatus &&
		a.TargetLifecycleStatus == b.TargetLifecycleStatus &&
		a.EndedAt.Equal(b.EndedAt)
}

// mergedSighting is what one observation says of one session.
type mergedSighting struct {
	session Session
	first   Exchange // the first that showed this state
	last    Exchange // the last that showed the session
}

// mergeSightings merges the sightings of one session at the given places, which are in the order of their
// requests. Outdated sightings do not count; ok is false if none is left.
func mergeSightings(all []Sighting, places []int32, d disappearance) (m mergedSighting, ok bool) {
	for _, i := range places {
		s := &all[i]
		switch {
		case d.outdates(s.Exchange):
			continue
		case ok:
			m.session = merged(m.session, s.Session)
		default:
			m.session = s.Session
		}
		m.last, ok = s.Exchange, true
	}
	m.first = m.last
	for _, i := range places {
		if s := &all[i]; !d.outdates(s.Exchange) && same(s.Session, m.session) {
			m.first = s.Exchange
			break
		}
	}
	return m, ok
}
