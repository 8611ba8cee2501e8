package diff

// condensed are the sightings that an Observation does not keep, because they show nothing but what a snapshot remembers:
// that the session has ended. Of each only one bit is kept, that its session was shown.
type condensed struct {
	memory memory // of the snapshot
	places bits   // of the sessions in memory; nil if there are none
}

// Add adds the sightings of a page or of another answer. One that shows the end of a session which the snapshot remembers as
// ended is not kept, but noted in one bit. So the observation of a worker with thousands of ended sessions is small while it
// waits to be committed, and Between makes the same of it. All others are kept in Sightings.
//
// The snapshot is the worker's last committed one, or that of NewSnapshot if nothing was committed yet. It may differ from
// call to call and from that of Between. The bits refer to the first one with which something was noted, and keep it in
// memory. Copies of an observation share the bits, so add everything before it is copied.
//
// Sightings of sessions that ended before the watch began are kept, although Between ignores most of them: they may belong
// to a namesake of the worker, and other sightings of the same session may make it a new one.
func (o *Observation) Add(s Snapshot, sightings []Sighting) {
	for i := range sightings {
		if !o.condensed.add(&s.memory, &sightings[i].Session) {
			o.Sightings = append(o.Sightings, sightings[i])
		}
	}
}

// add notes the session if the memory has it as ended and it has ended. It reports whether it did so.
func (c *condensed) add(m *memory, seen *Session) bool {
	if !seen.HasEnded() {
		return false
	}
	if c.places != nil {
		m = &c.memory
	}
	place, remembered := m.find(seen.SessionID)
	if !remembered || m.mark(place).vanished() {
		return false
	}
	if c.places == nil {
		c.memory, c.places = *m, newBits(nil, m.len())
	}
	c.places.add(place)
	return true
}

// has reports whether a session is noted.
func (c *condensed) has(sessionID string) bool {
	place, ok := c.memory.find(sessionID)
	return ok && c.places.has(place)
}

// addCondensed adds the noted sessions to those that are present. It returns the places of those that have vanished.
//
// The snapshot may not remember some of them, if it is not the one with which they were noted. What was shown of these is
// not known any more. Then the observation proves no absence and counts as Answers, and the next listing shows them again.
func (c *comparison) addCondensed(present bits) (vanished []int) {
	noted, m := &c.o.condensed, &c.old.memory
	if noted.places == nil {
		return nil
	}
	for i := range noted.memory.len() {
		if !noted.places.has(i) {
			continue
		}
		place, remembered := m.findSame(&noted.memory, i)
		switch {
		case !remembered:
			c.o.Source = Answers
		case m.mark(place).vanished():
			vanished = append(vanished, place)
			fallthrough
		default:
			present.add(place)
		}
	}
	return vanished
}

// findSame returns the place of the session that has the given place in another memory. Mostly it is the same place.
func (m *memory) findSame(other *memory, place int) (int, bool) {
	if place >= len(other.packed) {
		return m.find(other.id(place))
	}
	id := other.packed[place].id
	if place < len(m.packed) && m.packed[place].id == id {
		return place, true
	}
	return findPacked(m.packed, id)
}
