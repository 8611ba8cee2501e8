package diff

import (
	"cmp"
	"slices"
	"strings"
)

// Between is what the observation teaches beyond the snapshot; the package comment has its laws. The observation
// must be of the snapshot's worker. The snapshot is only read.
func Between(s Snapshot, o Observation) Changes {
	c := comparison{old: &s, o: &o, out: Changes{Worker: s.worker, Status: o.Status}}
	places := c.recall()
	c.inOrder(places)
	c.join(places)
	if o.Evidence != Answers {
		c.out.listing = listing{complete: true, sent: o.Opening.Sent, pages: o.Pages}
		if o.Evidence == Gone {
			c.out.listing.pages = 1
		}
	}
	return c.out
}

// comparison is the work of one Between.
type comparison struct {
	old *Snapshot
	o   *Observation
	out Changes
}

// recall deals with the sightings of remembered sessions and returns the places of the others in Observation.Seen.
// What the watch passes over is left out, unless there are sightings of other new sessions: they may be of the same.
func (c *comparison) recall() []int32 {
	var small [8]uint64
	present := newBits(small[:], c.old.memory.len())
	var others, passed []int32
	var again []int // places in memory of what should not have been shown, or not so
	fresh := false
	for i := range c.o.Seen {
		s := &c.o.Seen[i].Session
		place, remembered := c.old.memory.find(s.SessionID)
		switch {
		case remembered:
			present.add(place)
			if !s.HasEnded() || c.old.memory.mark(place).vanished() {
				again = append(again, place)
			}
		case c.old.knows(s.SessionID):
			others = append(others, int32(i))
		case c.old.passesOver(s):
			passed = append(passed, int32(i))
		default:
			fresh = true
			others = append(others, int32(i))
		}
	}
	c.shownAgain(again)
	c.remember(present)
	if fresh {
		return append(others, passed...)
	}
	return others
}

// shownAgain reports the remembered sessions at the given places of memory that should not have been shown, or
// not so. One that the same observation also shows as ended is not stale, for ENDED wins.
func (c *comparison) shownAgain(places []int) {
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		id, m := c.old.memory.id(place), c.old.memory.mark(place)
		switch {
		case m.vanished():
			if !m.reappeared() {
				c.out.Reappeared = append(c.out.Reappeared, id)
			}
		case !slices.ContainsFunc(c.o.Seen, func(s Sighting) bool {
			return s.Session.SessionID == id && s.Session.HasEnded()
		}):
			c.out.Stale = append(c.out.Stale, id)
		}
	}
}

// remember notes which remembered sessions are present, absent for the first time, or to be forgotten.
func (c *comparison) remember(present bits) {
	m := &c.old.memory
	for place := range m.len() {
		absent := m.mark(place).absent()
		switch {
		case present.has(place):
			if absent {
				c.out.present = append(c.out.present, m.id(place))
			}
		case c.o.Evidence == Answers:
		case !absent:
			c.out.absent = append(c.out.absent, m.id(place))
		case m.forgettable(place, c.o.Opening.Sent):
			c.out.Forgotten = append(c.out.Forgotten, m.id(place))
		}
	}
}

// inOrder sorts places of Observation.Seen by session and then by request; entries of one page keep their order.
func (c *comparison) inOrder(places []int32) {
	slices.SortFunc(places, func(a, b int32) int {
		x, y := &c.o.Seen[a], &c.o.Seen[b]
		return cmp.Or(
			strings.Compare(x.Session.SessionID, y.Session.SessionID),
			cmp.Compare(x.SentTick, y.SentTick),
			cmp.Compare(a, b),
		)
	})
}

// join goes through the open sessions and the sightings side by side, both in order of session id.
func (c *comparison) join(places []int32) {
	open := c.old.open
	for len(places) > 0 {
		id := c.o.Seen[places[0]].Session.SessionID
		for len(open) > 0 && open[0].session.SessionID < id {
			c.known(&open[0], nil)
			open = open[1:]
		}
		n := 1
		for n < len(places) && c.o.Seen[places[n]].Session.SessionID == id {
			n++
		}
		if len(open) > 0 && open[0].session.SessionID == id {
			c.known(&open[0], places[:n])
			open = open[1:]
		} else {
			c.firstSeen(places[:n])
		}
		places = places[n:]
	}
	for i := range open {
		c.known(&open[i], nil)
	}
}

// known compares an open session with its sightings, of which there may be none.
func (c *comparison) known(k *openSession, places []int32) {
	e := k.evidence
	t := telling{out: &c.out, state: &k.session, sequence: k.sequence}
	if a, ok := answerOf(c.o.Seen, places, e); ok {
		a.session.WorkerKey = c.old.worker
		t.bounds, t.seen = bounds(e.seen, a.first.Arrived), a.last.Sent
		t.next(merged(k.session, a.session))
		e = evidence{seen: a.last.Sent, arrived: a.last.ArrivedTick}
	} else if len(places) == 0 {
		e = e.absent(c.o)
	}
	c.settle(t, k.evidence, e)
}

// firstSeen tells of a session that was not known.
func (c *comparison) firstSeen(places []int32) {
	a, _ := answerOf(c.o.Seen, places, evidence{})
	a.session.WorkerKey = c.old.worker
	t := telling{out: &c.out, bounds: bounds(c.old.without, a.first.Arrived), seen: a.last.Sent}
	t.first(a.session, c.old.watch)
	if t.state != nil {
		c.settle(t, evidence{}, evidence{seen: a.last.Sent, arrived: a.last.ArrivedTick})
	}
}

// settle notes the evidence of a session that is still open, after adding what answers said of it that did not
// find it; or it tells that the session has vanished.
func (c *comparison) settle(t telling, old, e evidence) {
	if t.state.HasEnded() {
		return
	}
	id := t.state.SessionID
	for _, x := range c.notFound(id) {
		e = e.notFound(x)
	}
	switch {
	case e.vanished():
		t.bounds, t.seen = bounds(e.seen, e.confirmed), e.seen
		t.tell(Vanished, *t.state)
	case e != old:
		if c.out.notes == nil {
			c.out.notes = make([]note, 0, max(len(c.old.open), 1))
		}
		c.out.notes = append(c.out.notes, note{sessionID: id, evidence: e})
	}
}

// notFound is the answers that did not find the session, in the order of their requests.
func (c *comparison) notFound(sessionID string) []Exchange {
	var answers []Exchange
	for i := range c.o.NotFound {
		if n := &c.o.NotFound[i]; n.SessionID == sessionID {
			answers = append(answers, n.Exchange)
		}
	}
	slices.SortFunc(answers, func(a, b Exchange) int { return cmp.Compare(a.SentTick, b.SentTick) })
	return answers
}
