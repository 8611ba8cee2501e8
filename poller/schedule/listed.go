package schedule

import (
	"math"
	"time"
)

// listingDone takes in the last answer to a listing.
func (s *Schedule) listingDone(t *task, a Answer, now time.Time, o *Outcome) {
	w := t.worker
	if a.Reason != Throttled && a.Reason != Cancelled {
		s.endFirst(w, now)
	}
	switch {
	case a.NotFound == "worker" && t.page == 1, a.NotFound != "" && t.page == 1 && s.isGone(a.NotFound, w):
		o.Stage, o.Reason, o.NoSuchWorker = Complete, "", true
		if t.announced {
			s.noteUnseen(w.Worker, now)
		}
	case a.Reason == Throttled || a.Reason == Cancelled:
		s.listingGivenUp(t, a.Reason, now)
		return
	case a.Reason != "":
		s.listingFailed(t, a.Reason, now, o)
		return
	}
	o.Notes = s.listingSucceeded(w, t.sent, now)
	if w.isNoted {
		w.isNoted = false
		o.Notes = append(o.Notes, Note{Kind: WorkerWorks, Operation: ListSessionsForWorker, Worker: w.Worker, Reason: w.failureReason, Alone: !s.hasUnlistedLike(w, w.failureReason)})
	}
	w.listingFailures, w.failureReason = 0, ""
	delete(s.unlisted, w)
	if t.again {
		s.sinceAgain = againTurn // more of those that failed may work again
	}
	w.activity = uncommittedListing
	if w.awaits == awaitsListing && !w.urgent { // else a newer status asks for another listing
		w.awaits = awaitsCommit
	}
	if o.NoSuchWorker {
		w.answer, w.announced = noSuchWorker, false // what was announced is unseen, which counts once
		return
	}
	s.takeSample(a.Sample)
	s.takeShown(t, a)
	news := s.learn(w, t.shown, byListing, !t.regular, now)
	s.endAnnouncement(w, t.announced, news > 0)
	s.noteAhead(t, news)
	s.noteOrder(w, a, o.Stage == Stopped)
	if !t.patient {
		s.listingPages.add(float64(t.page))
	}
	w.answer = listed
	w.listedAt = w.listingBegun
	if o.Stage == Stopped {
		return
	}
	w.completeAt, w.wants = w.listingBegun, false
	w.lastPages, w.endlessListings = int32(t.page), 0
	if w.isHidden() {
		s.payPages(t.page - 1)
	}
}

// payPages takes in that a listing of a hidden worker had so many further pages.
func (s *Schedule) payPages(pages int) {
	s.sinceSpare -= spareTurn * pages
	s.spareAt = s.spareAt.Add(time.Duration(pages) * sparePause)
}

// listingGivenUp takes in that a listing was throttled or cancelled. That is no failure: the listing begins anew, and is as urgent as
// before. A missing worker that is not urgent would be dropped.
func (s *Schedule) listingGivenUp(t *task, reason Reason, now time.Time) {
	w := t.worker
	w.listingDue = now
	if reason == Throttled {
		w.listingDue = now.Add(longestThrottle)
	}
	if t.urgent {
		w.urgent, now = true, w.listingDue
	}
	s.rest(w, now)
}

func (s *Schedule) listingFailed(t *task, reason Reason, now time.Time, o *Outcome) {
	w := t.worker
	if w.listingFailures++; w.listingFailures == 1 {
		w.failedAt = s.key(now)
	}
	w.failureReason = reason
	if reason == TooManyPages {
		w.endlessListings++
	}
	if t.again {
		s.sinceAgain = 0
	}
	switch {
	case reason.isOfOneWorker(): // the service has answered, so others can be listed
		o.Notes = s.listingSucceeded(w, t.sent, now)
	case reason.mayBeShared():
		o.Notes = s.listingFailedIn(w, reason, t.sent, now)
	}
	w.listingDue = now.Add(backoff(int(w.listingFailures), s.random))
	switch {
	case w.isRetired() && len(w.Open) == 0:
		// The fleet may not exist either. Then the service names the fleet and never the worker.
		w.listingDue = now.Add(retiredBackoff(int(w.listingFailures), s.random))
		delete(s.unlisted, w)
	case s.isFleetMissing(w, now):
		w.listingDue = now.Add(min(missingInterval, retiredBackoff(int(w.listingFailures), s.random)))
		delete(s.unlisted, w)
	case w.listingFailures >= failingAfter:
		if !w.isNoted && !w.isRetired() && s.failsAlone(w) {
			w.isNoted = true
			o.Notes = append(o.Notes, Note{Kind: WorkerFails, Operation: ListSessionsForWorker, Worker: w.Worker, Reason: reason, Alone: !s.hasUnlistedLike(w, reason)})
		}
		s.unlisted[w] = struct{}{}
	}
	s.rest(w, now)
}

// failsAlone reports whether a worker fails while others of its fleet do not, or the fleet is too small to fail as a whole.
func (s *Schedule) failsAlone(w *worker) bool {
	return w.fleet.members < leastFailing || !w.fleet.isFailing() && s.key(w.fleet.worked) > w.failedAt
}

// hasUnlistedLike reports whether another worker of the same fleet is unlisted for the reason, or the fleet fails as a whole.
func (s *Schedule) hasUnlistedLike(w *worker, reason Reason) bool {
	if w.fleet.isFailing() {
		return true
	}
	for other := range s.unlisted {
		if other != w && other.fleet == w.fleet && other.failureReason == reason {
			return true
		}
	}
	return false
}

// Committed takes in what is known of a worker after its last observation was committed. The caller must call it for every
// observation that came of an Outcome, even if nothing has changed: until then, Next returns no call about the worker.
func (s *Schedule) Committed(k Known, now time.Time) {
	w := s.workers[k.Worker]
	if w == nil || !w.isUncommitted() {
		return
	}
	wasListed := w.activity == uncommittedListing
	unresolved := w.Unresolved
	if w.awaits == awaitsCommit {
		w.awaits = awaitsNothing
	}
	s.setKnown(w, k)
	w.wants = w.wants && len(w.Open) > 0
	s.noteLooks(w, unresolved, wasListed, now)
	if wasListed {
		w.listingDue = s.nextDue(w, now)
	}
	s.noteAsked(w, wasListed)
	s.rest(w, now)
}

// setKnown replaces what is known of a worker.
func (s *Schedule) setKnown(w *worker, k Known) {
	s.openCount += len(k.Open) - len(w.Open)
	k.Worker = w.Worker // to share its strings
	w.Known = k
	w.pruneLookups()
	s.countMissing(w)
	setIf(s.active, w, len(w.Open) > 0)
}

// isIn reports whether the worker is in the set.
func isIn(set map[*worker]struct{}, w *worker) bool {
	_, in := set[w]
	return in
}

// setIf adds the worker to the set, or removes it.
func setIf(set map[*worker]struct{}, w *worker, in bool) {
	if in {
		set[w] = struct{}{}
	} else {
		delete(set, w)
	}
}

// nextDue returns when a worker is to be listed again after a listing that is committed.
func (s *Schedule) nextDue(w *worker, now time.Time) time.Time {
	if len(w.Open) > 0 && (w.isRetired() || w.answer == noSuchWorker) {
		// diff may need this listing to conclude that sessions have vanished that are not found.
		pause := max(noSuchInterval, s.config.Staleness)
		if w.isRetired() { // else discovery shows the worker, and either may be wrong
			pause = max(pause, s.missingListingInterval(w, now))
		}
		return now.Add(jitter(pause, s.random.Float64()))
	}
	if w.isRetired() {
		// The first absence may have been long ago, and the clocks may differ by more than the margin.
		due := now.Add(forgetInterval)
		if !w.ForgetDue.IsZero() {
			due = soonest(due, latest(w.ForgetDue, now).Add(forgetMargin))
		}
		return due.Add(time.Duration(s.random.Float64() * float64(time.Hour)))
	}
	return w.listingBegun.Add(s.config.Staleness * 9 / 10)
}

// rest queues a worker that is in no call and has no uncommitted observation.
func (s *Schedule) rest(w *worker, now time.Time) {
	w.activity = resting
	if w.isDisposable() {
		s.drop(w, now)
		return
	}
	if w.isHidden() {
		s.endFirst(w, now) // it may wait for very long
	}
	s.weigh(w)
	if due := w.listingDue; !w.isDueAtOnce() {
		s.wait(w, due)
	} else if w.class != urgent || w.listingPlace.in == nil || s.isWaiting(w) {
		s.wait(w, now)
	} // else it keeps its place among those that are due at once
	switch at, ok := s.lookupDue(w, now); {
	case !ok:
		w.lookupPlace.leave()
	case !at.After(now) && (!w.asked || w.fleet.farm.isSwept && w.hasNews()):
		w.lookupPlace.enter(&w.fleet.farm.lookups, math.MinInt64) // before all that have waited for their turn
	default:
		w.lookupPlace.enter(&w.fleet.farm.lookups, s.key(at))
	}
	s.queueStatus(w)
	s.queueComplete(w)
}

// wait queues the worker until its listing is due.
func (s *Schedule) wait(w *worker, due time.Time) {
	s.leaveListingQueue(w)
	if s.mayBeEarly(w) {
		w.listingPlace.enter(&s.early, s.key(due))
	} else {
		w.listingPlace.enter(&s.waiting, s.key(due))
	}
}

// isWaiting reports whether the listing of a worker is not due yet.
func (s *Schedule) isWaiting(w *worker) bool {
	return w.listingPlace.in == &s.waiting || w.listingPlace.in == &s.early
}

// mayBeEarly reports whether a listing of the worker is worth a request although it is not due yet, if nothing else is to do.
func (s *Schedule) mayBeEarly(w *worker) bool {
	return s.weight(w) > 0 && w.listingFailures == 0 && !w.first && !w.listedAt.IsZero()
}

// drop removes a worker from the schedule.
func (s *Schedule) drop(w *worker, now time.Time) {
	s.endFirst(w, now)
	w.activity = dropped
	s.weigh(w)
	s.leaveListingQueue(w)
	w.lookupPlace.leave()
	s.leaveStatuses(w)
	w.expectedPlace.leave()
	w.completePlace.leave()
	delete(s.workers, w.Worker)
	delete(w.fleet.workers, w.Worker.WorkerID)
	w.fleet.add(-1)
	w.fleet.countStatus(w, -1)
	for _, set := range [...]map[*worker]struct{}{s.unknown, s.active, s.unlisted, s.lookupsFailing, s.unasked, s.missing} {
		delete(set, w)
	}
	for sc := &w.fleet.scope; sc != nil; sc = sc.above {
		delete(sc.failed, w)
	}
	s.openCount -= len(w.Open)
	s.forgetFleet(w.fleet)
}
