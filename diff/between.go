package diff

import (
	"cmp"
	"slices"
	"strings"
)

// Between returns the changes that an observation shows compared with the snapshot, by the laws of the package
// comment. The observation must be of the snapshot's worker. The snapshot is not changed.
func Between(s Snapshot, o Observation) Changes {
	c := comparison{old: &s, o: &o, out: Changes{Worker: s.worker, Status: o.Status}}
	indexes := c.compareRemembered()
	c.sortBySession(indexes)
	c.compareSessions(indexes)
	c.changeMemory()
	if o.Source == CompleteListing { // a listing of a job may still show sessions of a worker that does not exist any more
		c.out.listing = completeListing{exists: true, sent: o.FirstRequest.Sent, pages: o.Pages}
	}
	return c.out
}

// comparison is the state of one call of Between.
type comparison struct {
	old *Snapshot
	o   *Observation
	out Changes
}

// compareRemembered compares the sightings of remembered sessions. It returns the indexes of the other
// sightings in Observation.Sightings. Sightings that the watch ignores are left out, but only if no sighting is
// of a new session, because that may be the same session.
func (c *comparison) compareRemembered() []int32 {
	var small [8]uint64
	present := newBits(small[:], c.old.memory.len())
	var others, ignored []int32
	// The places in memory of sessions that should not have been shown, or not as open.
	unexpected := c.addCondensed(present)
	isNew := false
	for i := range c.o.Sightings {
		s := &c.o.Sightings[i].Session
		place, remembered := c.old.memory.find(s.SessionID)
		switch {
		case remembered:
			present.add(place)
			if !s.HasEnded() || c.old.memory.mark(place).vanished() {
				unexpected = append(unexpected, place)
			}
		case c.old.isOpen(s.SessionID):
			others = append(others, int32(i))
		case c.old.ignores(s):
			ignored = append(ignored, int32(i))
		default:
			isNew = true
			others = append(others, int32(i))
		}
	}
	c.reportUnexpected(unexpected)
	c.updateMemory(present)
	if isNew {
		return append(others, ignored...)
	}
	return others
}

// reportUnexpected adds the sessions at these places to Reappeared or Stale. A session is not stale if the same
// observation also shows its end, because ENDED wins.
func (c *comparison) reportUnexpected(places []int) {
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		id, m := c.old.memory.id(place), c.old.memory.mark(place)
		switch {
		case m.vanished():
			if !m.reappeared() {
				c.out.Reappeared = append(c.out.Reappeared, id)
			}
		case !c.o.condensed.has(id) && !slices.ContainsFunc(c.o.Sightings, func(s Sighting) bool {
			return s.Session.SessionID == id && s.Session.HasEnded()
		}):
			c.out.Stale = append(c.out.Stale, id)
		}
	}
}

// changeMemory adds what is remembered after all other changes.
func (c *comparison) changeMemory() {
	next, marksDiffer := c.old.memory.with(&c.out, c.o.Date)
	if marksDiffer {
		c.out.Absences = &Absences{Worker: c.old.worker, Marks: next.absences()}
	}
	c.out.memory = next
}

// updateMemory notes which remembered sessions are present again, are marked as absent, or are forgotten. Present has
// the places of those that were seen.
func (c *comparison) updateMemory(present bits) {
	m := &c.old.memory
	says := c.saysAbsent()
	marks := says && c.marksAbsences()
	for place := range m.len() {
		absent := m.mark(place).absent()
		switch {
		case present.has(place):
			if absent {
				c.out.present = append(c.out.present, m.id(place))
			}
		case marks && !absent:
			c.out.absent = append(c.out.absent, m.id(place))
		case says && absent && m.forgettable(place, c.o.Date):
			c.out.Forgotten = append(c.out.Forgotten, m.id(place))
		}
	}
}

// sortBySession sorts indexes of Observation.Sightings by session and then by request. Sightings of one page keep
// their order.
func (c *comparison) sortBySession(indexes []int32) {
	slices.SortFunc(indexes, func(a, b int32) int {
		x, y := &c.o.Sightings[a], &c.o.Sightings[b]
		return cmp.Or(
			strings.Compare(x.Session.SessionID, y.Session.SessionID),
			cmp.Compare(x.SentTick, y.SentTick),
			cmp.Compare(a, b),
		)
	})
}

// compareSessions compares the open sessions with their sightings, and takes in sightings of new sessions. Both
// are in the order of session ids.
func (c *comparison) compareSessions(indexes []int32) {
	open := c.old.open
	for len(indexes) > 0 {
		id := c.o.Sightings[indexes[0]].Session.SessionID
		for len(open) > 0 && open[0].session.SessionID < id {
			c.compareOpen(&open[0], nil)
			open = open[1:]
		}
		n := 1
		for n < len(indexes) && c.o.Sightings[indexes[n]].Session.SessionID == id {
			n++
		}
		if len(open) > 0 && open[0].session.SessionID == id {
			c.compareOpen(&open[0], indexes[:n])
			open = open[1:]
		} else {
			c.compareNew(indexes[:n])
		}
		indexes = indexes[n:]
	}
	for i := range open {
		c.compareOpen(&open[i], nil)
	}
}

// compareOpen compares an open session with its sightings, of which there may be none.
func (c *comparison) compareOpen(open *openSession, indexes []int32) {
	d := open.disappearance
	changes := sessionChanges{out: &c.out, state: &open.session, sequence: open.sequence}
	if m, ok := mergeSightings(c.o.Sightings, indexes, d); ok {
		m.session.WorkerKey = c.old.worker
		changes.bounds, changes.seen = bounds(d.seen, m.first.Arrived), m.last.Sent
		changes.moveTo(merged(open.session, m.session))
		d = disappearance{seen: m.last.Sent, arrived: m.last.ArrivedTick}
	} else if len(indexes) == 0 {
		d = d.absent(c.o)
	}
	c.noteDisappearance(changes, open.disappearance, d)
}

// compareNew adds the changes of a session that was not known.
func (c *comparison) compareNew(indexes []int32) {
	m, _ := mergeSightings(c.o.Sightings, indexes, disappearance{})
	m.session.WorkerKey = c.old.worker
	changes := sessionChanges{out: &c.out, bounds: bounds(c.old.absentAt, m.first.Arrived), seen: m.last.Sent}
	changes.firstSight(m.session, c.old.watch)
	if changes.state != nil {
		c.noteDisappearance(changes, disappearance{}, disappearance{seen: m.last.Sent, arrived: m.last.ArrivedTick})
	}
}

// noteDisappearance adds the answers that did not find the session, if it is still open, to what suggests that
// it has vanished. If that suffices, it adds the change Vanished. Otherwise it adds a note.
func (c *comparison) noteDisappearance(changes sessionChanges, old, d disappearance) {
	if changes.state.HasEnded() {
		return
	}
	id := changes.state.SessionID
	for _, x := range c.notFound(id) {
		d = d.notFound(x)
	}
	switch {
	case d.vanished():
		changes.bounds, changes.seen = bounds(d.seen, d.confirmed), d.seen
		changes.add(Vanished, *changes.state)
	case d != old:
		c.storeMissing(changes, old, d)
		if c.out.notes == nil {
			c.out.notes = make([]note, 0, max(len(c.old.open), 1))
		}
		c.out.notes = append(c.out.notes, note{sessionID: id, disappearance: d})
	}
}

// notFound returns the answers that did not find the session, in the order of their requests. One with a MissingAt before the
// watch began is left out, because that time is wrong.
func (c *comparison) notFound(sessionID string) []*NotFound {
	var answers []*NotFound
	for i := range c.o.NotFound {
		if n := &c.o.NotFound[i]; n.SessionID == sessionID && (n.MissingAt.IsZero() || !n.MissingAt.Before(c.old.watch.Since)) {
			answers = append(answers, n)
		}
	}
	slices.SortFunc(answers, func(a, b *NotFound) int { return cmp.Compare(a.SentTick, b.SentTick) })
	return answers
}
