package schedule

import (
	"slices"
	"time"
)

// A listing of many pages mostly repeats what is known. Where the listings of a worker show the newest sessions first, a listing
// is not read on when the rest of it is known: from a page on of which the older half is known to have ended. What it has shown
// counts, and it proves no absence.
//
// The service does not promise an order. So a worker of which a listing has ever shown another order is always listed to the
// end. And complete listings of all workers keep a share of the budget, because only they prove that a session is absent.

const (
	completeShare = 0.05 // of the requests, for the pages of complete listings of workers that are else listed in part
	mostRefused   = 20   // so many workers give their turn away at once
)

// stopsEarly reports whether a listing of the worker need not be complete, if its pages show the newest sessions first.
func (w *worker) stopsEarly() bool {
	return !w.unordered && !w.wants && w.presence == presenceShown && len(w.Unresolved) == 0
}

// isShort reports whether the next listing of the worker probably stops after a page.
func (w *worker) isShort() bool {
	return w.stopsEarly() && (w.stopped || w.lastPages == 0 && w.fleet.stopped)
}

// isEnough reports whether a list of sessions is not read on after a page.
func (s *Schedule) isEnough(t *task, a Answer) bool {
	switch {
	case t.worker != nil:
		return !t.complete && !t.worker.unordered && a.NewestFirst && a.Settled
	case t.kind == ListSessions:
		return s.isJobRead(t, a)
	}
	return false
}

// takeShown keeps what a page of a listing shows.
func (s *Schedule) takeShown(t *task, a Answer) {
	for _, x := range a.Sessions {
		if x.HasEnded() && t.worker.isHistory(x) {
			s.hazards.ended(x.FarmID, x.QueueID, x.EndedAt.Sub(x.StartedAt)) // history, of which there may be very much
			continue
		}
		t.shown = append(t.shown, x)
	}
}

// noteOrder takes in whether a listing has shown the newest sessions first.
func (s *Schedule) noteOrder(w *worker, a Answer, stopped bool) {
	w.unordered = w.unordered || a.Unordered
	w.stopped = stopped || w.stopped && !w.unordered
	w.fleet.stopped = (w.fleet.stopped || stopped) && !w.unordered
}

// wantListing takes in that a lookup did not find a session of the worker, which makes a complete listing due. That it has
// vanished takes two of them, so this one does not wait for the floor.
func (s *Schedule) wantListing(w *worker, now time.Time) {
	w.wants = true
	if due := latest(now, w.listingBegun.Add(max(noSuchInterval, s.config.Staleness))); w.listingDue.After(due) {
		w.listingDue = due
	}
}

// queueComplete queues a worker for its next complete listing, if other listings of it stop early.
func (s *Schedule) queueComplete(w *worker) {
	if w.isShort() && w.activity == resting {
		w.completePlace.enter(&s.completes, s.key(w.completeAt))
	} else {
		w.completePlace.leave()
	}
}

// completeInTurn returns a complete listing of the worker that has waited longest for one, if it is their turn. One that may not
// be listed now, as its fleet fails as a whole, gives its turn to the others, and so does one whose listing fails.
func (c *choice) completeInTurn() *task {
	isUnderWay := func(t *task) bool { return t.patient }
	if c.s.completeCredit < 0 || slices.ContainsFunc(c.s.listings, isUnderWay) || !c.mayBeginLong() || !c.can(ListSessionsForWorker) {
		return nil
	}
	for range mostRefused {
		p := c.s.completes.first()
		if p == nil {
			return nil
		}
		w := p.worker
		w.completeAt = c.now
		if !c.admits(w.fleet) {
			c.s.queueComplete(w)
			continue
		}
		t := c.s.beginListing(w, c.now)
		t.complete, t.regular, t.patient = true, true, true
		return t
	}
	return nil
}

// payComplete takes in that a request is sent.
func (s *Schedule) payComplete(t *task) {
	s.completeCredit = min(completeShare, s.completeCredit+completeShare)
	if t.patient {
		s.completeCredit--
	}
}
