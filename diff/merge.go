package diff

// merged is the state of a session of which earlier was known and later was seen after it. ENDED and endedAt
// stick, an ENDED target sticks, no target replaces none; everything else is as it was seen later, unless only
// the earlier one had ended.
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

// same reports whether two states of a session differ in nothing that makes an event.
func same(a, b Session) bool {
	return a.LifecycleStatus == b.LifecycleStatus &&
		a.TargetLifecycleStatus == b.TargetLifecycleStatus &&
		a.EndedAt.Equal(b.EndedAt)
}

// answer is what one observation says of one session: the sightings that count, merged.
type answer struct {
	session Session
	first   Exchange // the first that showed it so
	last    Exchange // the last that showed the session at all
}

// answerOf merges sightings of one session, which are in the order of their requests, as far as they count beside
// the evidence; ok is false if none does.
func answerOf(seen []Sighting, places []int32, e evidence) (a answer, ok bool) {
	for _, i := range places {
		s := &seen[i]
		switch {
		case e.outdates(s.Exchange):
			continue
		case ok:
			a.session = merged(a.session, s.Session)
		default:
			a.session = s.Session
		}
		a.last, ok = s.Exchange, true
	}
	a.first = a.last
	for _, i := range places {
		if s := &seen[i]; !e.outdates(s.Exchange) && same(s.Session, a.session) {
			a.first = s.Exchange
			break
		}
	}
	return a, ok
}
