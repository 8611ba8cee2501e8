package schedule

import (
	"time"

	"farmwire/diff"
)

// lookupsDone takes in the answer to a lookup.
func (s *Schedule) lookupsDone(t *task, a Answer, now time.Time, o *Outcome) {
	if t.hasDropped() && a.Reason.isTransient() {
		a.Reason = Cancelled // the same request is not sent again; a new one asks about the other workers
	}
	if t.kind == BatchGetSession {
		s.judgeBatch(BatchGetSession, t.sessions[0].FarmID, a.Reason, now, o)
	}
	if t.kind == GetSession && a.Reason == ResourceNotFound && len(a.Findings) > 0 {
		a.Reason, o.Reason, o.Stage = "", "", Complete // the answer says what does not exist
	}
	sessions := t.sessions // in the order of their workers
	for _, w := range t.workers {
		n := 0
		for n < len(sessions) && sessions[n].WorkerKey == w.Worker {
			n++
		}
		if w.activity != dropped {
			s.lookupDone(t.kind, w, sessions[:n], a, now, o)
		}
		sessions = sessions[n:]
	}
}

// lookupDone takes in what the answer to a lookup of sessions of a worker says of these.
func (s *Schedule) lookupDone(kind Kind, w *worker, sessions []diff.Session, a Answer, now time.Time, o *Outcome) {
	learned := s.takeFindings(w, sessions, a, now, o)
	if learned {
		s.learn(w, a.of(w), byLookup, false, now)
	}
	switch {
	case a.Reason == "":
		w.noteAnswered(sessions)
		w.lookupFailures = 0
		delete(s.lookupsFailing, w)
	case a.Reason == Cancelled, a.Reason == Throttled: // another shard was disowned, or it is no attempt
		w.forgetLookups(sessions)
	case kind == BatchGetSession && w.fleet.farm.off[BatchGetSession].After(now):
		w.forgetLookups(sessions) // so that GetSession is tried at once
	default:
		s.lookupFailed(kind, w, sessions, a.Reason, now)
	}
	if learned {
		w.activity = uncommittedLookup
		return
	}
	s.noteAsked(w, false)
	s.rest(w, now)
}

// lookupFailed takes in that a lookup of some of a worker's sessions has failed. A failure of GetSession that may concern
// only its session delays no other: the worker waits only after as many such failures in a row as it has sessions.
func (s *Schedule) lookupFailed(kind Kind, w *worker, sessions []diff.Session, reason Reason, now time.Time) {
	w.lookupFailures++
	rounds := int(w.lookupFailures)
	if kind == GetSession && reason.isOfOneSession() {
		rounds /= max(1, len(w.toLookUp()))
	}
	if rounds > 0 {
		w.nextLookup = now.Add(backoff(rounds, s.random))
	}
	if rounds >= failingAfter {
		s.lookupsFailing[w] = struct{}{}
	}
	if !reason.isOfOneSession() {
		w.forgetLookups(sessions)
	} // else the worker's other sessions are looked up first
	if reason.isOfOneSession() && !reason.isTransient() {
		w.noteAnswered(sessions) // that is an answer about them
	}
}

// noteAnswered takes in that a lookup of some of the worker's sessions was answered.
func (w *worker) noteAnswered(sessions []diff.Session) {
	for _, session := range sessions {
		w.setLookup(session.SessionID).asked = true
	}
}

// takeFindings takes in what the answer to a lookup says of sessions of a worker. It reports whether there is an observation
// of the worker.
func (s *Schedule) takeFindings(w *worker, sessions []diff.Session, a Answer, now time.Time, o *Outcome) (learned bool) {
	for _, session := range sessions {
		finding, ok := a.Findings[session.SessionID]
		if !ok {
			continue
		}
		l := w.setLookup(session.SessionID)
		l.unclear, l.notFound = finding == Unclear, finding == NotFound
		if finding != Found && l.missing.IsZero() { // what is missing already is asked for ever more rarely
			s.wantListing(w, now)
		}
		switch finding {
		case Found, NotFound:
			l.missing = time.Time{}
			learned = true
		case Unclear:
			l.at = time.Time{}
		case NoQueue, NoFleet, NoFarm:
			s.noteMissing(w, session.SessionID, l, now)
			if a.HasDate && s.isGone(finding.resource(), w) {
				o.Confirmed = append(o.Confirmed, session.SessionID)
				learned = true
			}
		}
	}
	s.countMissing(w)
	return learned
}

// forgetLookups makes the lookup of the sessions due again.
func (w *worker) forgetLookups(sessions []diff.Session) {
	for _, session := range sessions {
		if i, ok := w.findLookup(session.SessionID); ok {
			w.lookups[i].at = time.Time{}
		}
	}
}

// judgeBatch takes in how a BatchGetSession, a BatchGetWorker or a ListSessions ended. One session on which the service fails
// makes the whole batch fail. So after a failure GetSession is used for some time, instead of the same batch again and again.
// Instead of BatchGetWorker, ListWorkers is used, and instead of ListSessions the listings of workers.
func (s *Schedule) judgeBatch(k Kind, farmID string, reason Reason, now time.Time, o *Outcome) {
	f := s.farms[farmID]
	if f == nil {
		return // it was forgotten meanwhile
	}
	note := Note{Kind: BatchFails, Operation: k, Worker: diff.WorkerKey{FarmID: farmID}, Reason: reason}
	wasOff := !f.off[k].IsZero()
	switch reason {
	case "":
		f.batches[k], f.off[k] = 0, time.Time{}
		if wasOff {
			s.noteSwept(f, now)
			note.Kind = BatchWorks
			o.Notes = append(o.Notes, note)
		}
		return
	case Denied:
		f.off[k] = now.Add(batchDeniedPause)
	case Refused, ResourceNotFound:
		f.off[k] = now.Add(batchFailedPause)
	case ServerError, Malformed, NoList, Timeout, MissingField, FieldTooLong, Other:
		if f.batches[k]++; f.batches[k] >= failingAfter {
			f.off[k] = now.Add(batchFailedPause)
		}
	}
	if k == BatchGetSession && f.off[k].After(now) {
		s.giveUpAsking(f, now)
	}
	if !wasOff && !f.off[k].IsZero() {
		s.noteSwept(f, now)
		o.Notes = append(o.Notes, note)
	}
}

// noteSwept queues the workers of a farm anew, because it has changed whether their open sessions are swept.
func (s *Schedule) noteSwept(f *farm, now time.Time) {
	if isSwept := f.off[BatchGetSession].IsZero(); f.isSwept != isSwept {
		f.isSwept = isSwept
		s.requeueOpen(now)
	}
}

// giveUpAsking lets the restored sessions of a farm be asked for by listings of their workers, because by GetSession that
// would take too long.
func (s *Schedule) giveUpAsking(f *farm, now time.Time) {
	var asked []*worker
	for w := range s.unasked {
		if w.fleet.farm == f && !w.asked {
			w.asked = true
			asked = append(asked, w)
		}
	}
	forAll(s, asked, now, s.requeue)
}

// noteAsked takes in that an observation of a worker was committed or that a lookup of it gave none. Listed reports whether it
// was a listing. The worker's restored sessions have all been asked for if the listing was complete, or if a lookup of each of
// them was answered. An answer that says nothing usable about a session counts, too: that it cannot be looked at is told by other
// parts of the State.
func (s *Schedule) noteAsked(w *worker, listed bool) {
	if _, ok := s.unasked[w]; !ok {
		return
	}
	if listed && w.answer != noSuchWorker || w.unasked() == 0 {
		w.asked = true
		delete(s.unasked, w)
	}
}

// unasked counts the open sessions of which no lookup was answered.
func (w *worker) unasked() int {
	n := 0
	for _, session := range w.Open {
		if !w.lookup(session.SessionID).asked {
			n++
		}
	}
	return n
}
