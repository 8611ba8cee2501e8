package diff

// merged returns the state of a session after both states were seen. The status ENDED, an end time and a target
// ENDED stay, and a target is not replaced by no target. Everything else is from the later state, unless only
// the earlier one has ended.
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

// same reports whether two states of a session differ in nothing that makes a change.
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

// mergeSightings merges the sightings of one session. The indexes are in the order of the requests. Outdated
// sightings do not count; ok is false if none is left.
func mergeSightings(all []Sighting, indexes []int32, d disappearance) (m mergedSighting, ok bool) {
	for _, i := range indexes {
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
	for _, i := range indexes {
		if s := &all[i]; !d.outdates(s.Exchange) && same(s.Session, m.session) {
			m.first = s.Exchange
			break
		}
	}
	return m, ok
}
