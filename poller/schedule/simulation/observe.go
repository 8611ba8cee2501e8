package simulation

import (
	"cmp"
	"fmt"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// listing is what the pages of a listing under way have shown.
type listing struct {
	first     diff.Exchange
	began     time.Duration
	pages     int
	sightings []diff.Sighting
}

// begin notes that a call about workers begins. A worker may be in one listing or lookup at a time, until its observation is
// committed.
func (s *Simulation) begin(d *side, c schedule.Call) {
	switch c.Kind {
	case schedule.ListSessions:
		s.occupy(s.world.workers[c.Worker], c.List)
		if d.lists[c.List] == nil {
			d.lists[c.List] = &listing{began: s.now}
		}
	case schedule.BatchGetSession, schedule.GetSession:
		if len(c.Shards) == 0 {
			return // it only tries the operation, and its answer is ignored
		}
		for _, asked := range c.Sessions {
			s.occupy(s.world.workers[asked.WorkerKey], lookupOf(c))
		}
	}
}

// lookupOf returns the number of a lookup, which several calls may make in turn.
func lookupOf(c schedule.Call) uint64 { return cmp.Or(c.List, c.Number) }

func (s *Simulation) occupy(w *worker, number uint64) {
	switch {
	case w == nil:
		s.fail(fmt.Errorf("call %d is about a worker that never existed", number))
	case w.inCall != 0 && w.inCall != number:
		s.fail(fmt.Errorf("%s is in calls %d and %d", w.key.WorkerID, w.inCall, number))
	default:
		w.inCall = number
	}
}

func sightings(to []diff.Sighting, shown []diff.Session, x diff.Exchange) []diff.Sighting {
	for _, session := range shown {
		to = append(to, diff.Sighting{Session: session, Exchange: x})
	}
	return to
}

// listed takes in the answer for a page.
func (s *Simulation) listed(
	d *side, c schedule.Call, a schedule.Answer, o schedule.Outcome, shown []diff.Sighting, x diff.Exchange,
) {
	l, w := d.lists[c.List], s.world.workers[c.Worker]
	if a.Reason == "" {
		if l.pages++; l.pages == 1 {
			l.first = x
		}
		l.sightings = append(l.sightings, shown...)
	}
	if o.Stage == schedule.UnderWay && !o.Ignored {
		return
	}
	delete(d.lists, c.List)
	complete := o.Stage == schedule.Complete && !o.Ignored
	s.Listings = append(s.Listings, Listing{Worker: c.Worker, Began: l.began, Ended: s.now, Pages: l.pages, Complete: complete})
	if !complete {
		if w.inCall == c.List {
			w.inCall = 0
		}
		return
	}
	w.listed = append(w.listed, l.began)
	source := diff.CompleteListing
	if o.NoSuchWorker {
		source, l.first = diff.NoSuchWorker, x
	}
	s.observe(w, observation(c.Worker, source, l.first, l.pages, l.sightings))
	s.commit(d, w)
}

// lookedUp takes in the answer to a lookup.
func (s *Simulation) lookedUp(
	d *side, c schedule.Call, a schedule.Answer, o schedule.Outcome, shown []diff.Sighting, x diff.Exchange,
) {
	if o.Stage == schedule.UnderWay {
		return
	}
	observations := make(map[*worker]*diff.Observation)
	var order []*worker // so that commits have the same order in every run
	for _, asked := range c.Sessions {
		w := s.world.workers[asked.WorkerKey]
		if observations[w] == nil {
			n := observation(w.key, diff.Answers, diff.Exchange{}, 0, nil)
			observations[w], order = &n, append(order, w)
		}
		if a.Findings[asked.SessionID] == schedule.NotFound {
			observations[w].NotFound = append(observations[w].NotFound, diff.NotFound{SessionID: asked.SessionID, Exchange: x})
		}
	}
	for _, sighting := range shown {
		n := observations[s.world.workers[sighting.Session.WorkerKey]]
		n.Sightings = append(n.Sightings, sighting)
	}
	for _, w := range order {
		if n := observations[w]; o.Stage == schedule.Complete && !o.Ignored && len(n.Sightings)+len(n.NotFound) > 0 {
			s.observe(w, *n)
			s.commit(d, w)
		} else if w.inCall == lookupOf(c) {
			w.inCall = 0
		}
	}
}

func observation(w diff.WorkerKey, source diff.Source, first diff.Exchange, pages int, shown []diff.Sighting) diff.Observation {
	return diff.Observation{Worker: w, Source: source, FirstRequest: first, Date: first.Sent, Pages: pages, Sightings: shown}
}

// observe compares what was seen of a worker with what was known, and notes what is new.
func (s *Simulation) observe(w *worker, o diff.Observation) {
	changes := diff.Between(w.snapshot, o)
	w.snapshot = diff.Apply(w.snapshot, changes)
	for _, e := range changes.Events {
		session := s.world.session(e.Session.SessionID)
		switch e.Kind {
		case diff.Started, diff.Discovered:
			session.startKnown = s.now
		case diff.Ended:
			session.endKnown = s.now
		case diff.Updating, diff.Updated:
			session.updated(s.now, e.Kind)
		}
	}
}

// commit lets the worker's observation be committed after a while.
func (s *Simulation) commit(d *side, w *worker) {
	s.agenda.add(s.now+s.config.CommitDelay, func() {
		if d.stopped {
			return
		}
		w.inCall = 0
		d.scheduler.Committed(schedule.KnownOf(w.snapshot), s.Now())
		s.ask(d)
	})
}
