package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// listing is what the pages of a list of sessions have shown that is under way: those of a worker or of a job.
type listing struct {
	order     order
	began     time.Duration
	first     diff.Exchange // of a worker, as are the following fields
	pages     int
	sightings []diff.Sighting
}

// order is in which order the pages of a list have shown its sessions.
type order struct {
	last            time.Duration // the start of the last session, if there was one
	any             bool
	differ, isMixed bool // two of the sessions did not start together; one of them started later than one before it
}

func (o *order) add(starts []time.Duration) {
	for _, start := range starts {
		o.differ = o.differ || o.any && start != o.last
		o.isMixed = o.isMixed || o.any && start > o.last
		o.last, o.any = start, true
	}
}

// begin notes that a call about sessions begins. A worker may be in one listing or lookup at a time, until its observation is
// committed. Lists of a job's sessions occupy no worker before their answer is there.
func (s *Simulation) begin(d *side, c schedule.Call) {
	switch c.Kind {
	case schedule.ListSessionsForWorker:
		s.occupy(s.world.workers[c.Worker], c.List)
		d.beginList(c.List, s.now)
	case schedule.ListSessions:
		d.beginList(c.List, s.now)
	case schedule.BatchGetSession, schedule.GetSession:
		if len(c.Shards) == 0 {
			return // it only tries the operation, and its answer is ignored
		}
		for i := range c.Sessions {
			s.occupy(s.world.workerOf(&c.Sessions[i]), lookupOf(c))
		}
	}
}

func (d *side) beginList(number uint64, now time.Duration) {
	if d.lists[number] == nil {
		d.lists[number] = &listing{began: now}
	}
}

// judge adds to the answer for a page of a list of sessions what is known of its sessions, and in which order the pages have
// shown them. If the newest come first, those that the answer does not name are at the end.
func (l *listing) judge(a *schedule.Answer, p page) {
	l.order.add(p.starts)
	a.Settled = true
	for i, session := range p.sessions {
		if !session.isSettled(&p.shown[i]) {
			a.Sessions = append(a.Sessions, p.shown[i])
			a.Settled = a.Settled && !l.order.isMixed && i < len(p.starts)/2
		}
	}
	a.NewestFirst, a.Unordered = l.order.differ && !l.order.isMixed, l.order.isMixed
}

// isSettled reports whether the session is shown as ended, and was known to have ended before that. What ended before the
// start of the simulation never gets known, and counts as known.
func (s *session) isSettled(shown *diff.Session) bool {
	return shown.HasEnded() && (s.endKnown != never || s.end < 0)
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
	to = slices.Grow(to, len(shown))
	for _, session := range shown {
		to = append(to, diff.Sighting{Session: session, Exchange: x})
	}
	return to
}

// listed takes in the answer for a page.
func (s *Simulation) listed(d *side, c schedule.Call, a schedule.Answer, o schedule.Outcome, p page, x diff.Exchange) {
	l, w := d.lists[c.List], s.world.workers[c.Worker]
	if a.Reason == "" {
		if l.pages++; l.pages == 1 {
			l.first = x
		}
		l.sightings = sightings(l.sightings, p.shown, x)
	}
	if o.Stage == schedule.UnderWay && !o.Ignored {
		return
	}
	delete(d.lists, c.List)
	complete := o.Stage == schedule.Complete && !o.Ignored
	s.Listings = append(s.Listings, Listing{Worker: c.Worker, Began: l.began, Ended: s.now, Pages: l.pages, Complete: complete})
	switch {
	case o.Stage == schedule.Stopped && !o.Ignored:
		s.observe(w, observation(c.Worker, diff.Answers, diff.Exchange{}, 0, l.sightings))
	case !complete:
		if w.inCall == c.List {
			w.inCall = 0
		}
		return
	case o.NoSuchWorker:
		w.listed = append(w.listed, l.began)
		s.observe(w, observation(c.Worker, diff.NoSuchWorker, x, l.pages, l.sightings))
	default:
		w.listed = append(w.listed, l.began)
		s.observe(w, observation(c.Worker, diff.CompleteListing, l.first, l.pages, l.sightings))
	}
	s.commit(d, w)
}

// jobListed takes in the answer for a page of a job's sessions. It is an observation of those workers that the outcome names.
func (s *Simulation) jobListed(d *side, c schedule.Call, o schedule.Outcome, p page, x diff.Exchange) {
	if o.Stage != schedule.UnderWay || o.Ignored {
		delete(d.lists, c.List)
	}
	for _, key := range o.Workers {
		w := s.world.workers[key]
		var ofWorker []diff.Session
		for i, session := range p.sessions {
			if session.worker == w {
				ofWorker = append(ofWorker, p.shown[i])
			}
		}
		switch {
		case len(ofWorker) == 0:
			s.fail(fmt.Errorf("call %d is taken as an observation of %s, and its answer shows no session of it", c.Number, key.WorkerID))
		case w.inCall != 0:
			s.fail(fmt.Errorf("call %d is taken as an observation of %s, which is in call %d", c.Number, key.WorkerID, w.inCall))
		default:
			w.inCall = c.Number
			s.observe(w, observation(key, diff.Answers, diff.Exchange{}, 0, sightings(nil, ofWorker, x)))
			s.commit(d, w)
		}
	}
}

// lookedUp takes in the answer to a lookup.
func (s *Simulation) lookedUp(d *side, c schedule.Call, a schedule.Answer, o schedule.Outcome, p page, x diff.Exchange) {
	if o.Stage == schedule.UnderWay {
		return
	}
	observations := make(map[*worker]*diff.Observation)
	var order []*worker // so that commits have the same order in every run
	for i := range c.Sessions {
		asked := &c.Sessions[i]
		w := s.world.workerOf(asked)
		if observations[w] == nil {
			n := observation(w.key, diff.Answers, diff.Exchange{}, 0, nil)
			observations[w], order = &n, append(order, w)
		}
		if a.Findings[asked.SessionID] == schedule.NotFound {
			observations[w].NotFound = append(observations[w].NotFound, diff.NotFound{SessionID: asked.SessionID, Exchange: x})
		}
	}
	for i, session := range p.sessions {
		n := observations[session.worker]
		n.Sightings = append(n.Sightings, diff.Sighting{Session: p.shown[i], Exchange: x})
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
