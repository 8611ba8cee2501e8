package schedule

import (
	"maps"
	"slices"
	"time"

	"farmwire/diff"
)

// shard is a shard that is owned.
//
// After a shard was owned, each of its workers that exist is listed once before any of them is listed a second time. These
// first listings count as pressing.
type shard struct {
	number  int
	since   time.Time // when it was owned
	firsts  int       // workers that wait for their first listing
	settled bool      // discovery was complete once since the shard was owned; what it finds from now on is new
}

// shownWorker is a worker as the last ListWorkers of its fleet showed it.
type shownWorker struct {
	status *diff.WorkerStatus // never changed, only replaced, because observations share it
	list   uint64             // the list that showed it last, see Call.List
	sent   time.Time          // when the request was sent whose answer showed the status
}

// Own takes in that a shard is owned from now on, and what is known of its workers. A shard must be disowned before it is
// owned again. Workers of farms and fleets that the Config leaves out are ignored.
func (s *Schedule) Own(number int, known []Known, now time.Time) {
	sh := &shard{number: number, since: now}
	s.shards[number] = sh
	s.firstList = nil
	s.budget.setShare(len(s.shards), s.config.Shards, now)
	for _, k := range known {
		if s.isSelected(k.Worker) {
			s.addKnown(sh, k, now)
		}
	}
	for _, f := range s.order {
		for id, w := range f.shown {
			if s.config.Shard(id) == number {
				s.workerShown(f, id, sh, w.status, w.sent, now)
			}
		}
	}
	s.settle()
}

// isSelected reports whether a worker is to be polled.
func (s *Schedule) isSelected(w diff.WorkerKey) bool {
	c := s.config
	return (len(c.Farms) == 0 || slices.Contains(c.Farms, w.FarmID)) && (len(c.Fleets) == 0 || slices.Contains(c.Fleets, w.FleetID))
}

// Disown takes in that a shard is not owned any more. The results of its calls in flight change nothing for its workers.
// Listings and lookups of them that wait for their next call are given up, also lookups that ask about other shards.
func (s *Schedule) Disown(number int, now time.Time) {
	sh := s.shards[number]
	if sh == nil {
		return
	}
	delete(s.shards, number)
	s.budget.setShare(len(s.shards), s.config.Shards, now)
	for _, w := range s.workers {
		if w.shard == sh {
			s.drop(w, now)
		}
	}
	s.listings = slices.DeleteFunc(s.listings, func(t *task) bool { return t.worker.activity == dropped })
	s.giveUpRepeats(now)
	if len(s.shards) == 0 {
		for _, t := range s.targets {
			t.task = nil // its page token may be too old when a shard is owned again
		}
		s.jobLists = nil
	}
}

// settle notes for each shard when discovery is complete.
func (s *Schedule) settle() {
	if s.pendingTargets() > 0 {
		return
	}
	s.searched = true
	for _, sh := range s.shards {
		sh.settled = true
	}
}

// beginFirst notes that a worker waits for its first listing since its shard was owned, unless nothing of its fleet can be
// listed.
func (s *Schedule) beginFirst(w *worker) {
	if !w.first && !w.fleet.isFailing() {
		w.first = true
		w.shard.firsts++
	}
}

// endFirst notes that a worker does not wait any more. When none does, those wait no longer that are due for a second time.
func (s *Schedule) endFirst(w *worker, now time.Time) {
	if !w.first {
		return
	}
	w.first = false
	if w.shard.firsts--; w.shard.firsts > 0 {
		return
	}
	var waiting []*worker
	for _, f := range s.order {
		for _, q := range &f.queues[second] {
			for _, p := range q.places {
				if p.worker.shard == w.shard {
					waiting = append(waiting, p.worker)
				}
			}
		}
	}
	forAll(s, waiting, now, s.requeue)
}

// giveUpFirsts lets no shard wait for the first listings of workers whose fleets fail as a whole, because that may take very
// long.
func (s *Schedule) giveUpFirsts(now time.Time) {
	waiting := 0
	for _, sh := range s.shards {
		waiting += sh.firsts
	}
	if waiting == 0 {
		return
	}
	for _, f := range s.order {
		if f.isFailing() {
			forAll(s, slices.Collect(maps.Values(f.workers)), now, s.endFirst)
		}
	}
}

// fleet returns a fleet, which it adds if it is new.
func (s *Schedule) fleet(k fleetKey) *fleet {
	f := s.fleets[k]
	if f == nil {
		in := s.farm(k.farm)
		f = &fleet{fleetKey: k, farm: in, shown: make(map[string]shownWorker), workers: make(map[string]*worker), byStatus: make(map[string]int)}
		f.scope = scope{above: &in.scope, failed: make(map[*worker]struct{})}
		s.fleets[k] = f
		s.order = append(s.order, f)
	}
	return f
}

// farm returns a farm, which it adds if it is new.
func (s *Schedule) farm(id string) *farm {
	f := s.farms[id]
	if f == nil {
		f = &farm{id: id, isSwept: true, scope: scope{above: &s.operation, failed: make(map[*worker]struct{})}}
		s.farms[id] = f
		s.farmOrder = append(s.farmOrder, f)
	}
	return f
}

// forgetFleet removes a fleet of which nothing is known any more, and its farm if that has no other.
func (s *Schedule) forgetFleet(f *fleet) {
	if len(f.workers) > 0 || len(f.shown) > 0 || f.fast+f.slow > 0 || s.targets[targetKey(f.fleetKey)] != nil || s.fleets[f.fleetKey] != f {
		return
	}
	delete(s.fleets, f.fleetKey)
	s.order = slices.DeleteFunc(s.order, func(other *fleet) bool { return other == f })
	if !slices.ContainsFunc(s.order, func(other *fleet) bool { return other.farm == f.farm }) {
		delete(s.farms, f.farm.id)
		s.farmOrder = slices.DeleteFunc(s.farmOrder, func(other *farm) bool { return other == f.farm })
	}
}

// randomDue returns the time at which the listing of a worker becomes due that is polled from now on. It is a random time in
// the past, so that the worker is due at once. If all these workers had become due now, their order would decide. Then of
// several shards that are owned together the last would wait for all others, and an instance that is restarted often would
// never list the workers that ListWorkers shows last.
func (s *Schedule) randomDue(now time.Time) time.Time {
	return now.Add(-time.Duration(s.random.Float64() * float64(s.config.Staleness)))
}

// addKnown adds a worker that has a snapshot. One with open sessions is due at once, and its sessions are asked for first of
// all. Any other may not exist any more. So unless discovery shows it or fails, it is listed much later: when the next
// listing lets sessions be forgotten, or within restoredSpread for the first one that may lack them.
func (s *Schedule) addKnown(sh *shard, k Known, now time.Time) {
	f := s.fleet(fleetKey{k.Worker.FarmID, k.Worker.FleetID})
	w := s.workers[k.Worker]
	if w == nil {
		w = s.addWorker(Known{Worker: k.Worker}, sh, f, s.randomDue(now))
		w.since = now
		s.unknown[w] = struct{}{}
		if len(k.Open) == 0 {
			w.listingDue = latest(now, k.ForgetDue.Add(forgetMargin))
			if k.ForgetDue.IsZero() {
				w.listingDue = now.Add(time.Duration(s.random.Float64() * float64(restoredSpread)))
			}
			s.listSoonIfUnsure(w, now)
		}
	}
	if len(k.Open) > 0 {
		w.asked = f.farm.off[BatchGetSession].After(now)
		s.unasked[w] = struct{}{}
		s.beginFirst(w)
	}
	s.setKnown(w, k)
	if !w.isBusy() {
		s.rest(w, now)
	}
}

// addWorker adds a worker whose listing is due then.
func (s *Schedule) addWorker(k Known, sh *shard, f *fleet, due time.Time) *worker {
	w := newWorker(k, sh, f, due)
	s.workers[k.Worker] = w
	f.workers[k.Worker.WorkerID] = w
	f.add(1)
	f.countStatus(w, 1)
	return w
}

// countStatus counts a worker among those with its status, or does so no longer.
func (f *fleet) countStatus(w *worker, by int) {
	status := ""
	if w.status != nil {
		status = w.status.Status
	}
	if f.byStatus[status] += by; f.byStatus[status] == 0 {
		delete(f.byStatus, status)
	}
}

// queueUnsure takes in that a list of discovery has failed failingAfter times in a row. So it is not known whether workers
// still exist that are only known from snapshots.
func (s *Schedule) queueUnsure(k targetKey, now time.Time) {
	if len(s.unknown) == 0 {
		return
	}
	for _, f := range s.order {
		if k.shows(f.fleetKey) {
			forAll(s, slices.Collect(maps.Values(f.workers)), now, s.queueIfUnsure)
		}
	}
}

// queueIfUnsure queues a worker anew if it is not known whether it still exists.
func (s *Schedule) queueIfUnsure(w *worker, now time.Time) {
	if w.presence != presenceUnknown || w.activity == dropped {
		return
	}
	isSpare := w.listingPlace.in != nil && w.listingPlace.in != &s.waiting && w.class == spare
	if s.listSoonIfUnsure(w, now) || isSpare {
		s.requeue(w, now)
	}
}

// listSoonIfUnsure makes a worker that is only known from a snapshot due within a minute if discovery fails that would show
// it. The result is whether the worker's due time has changed.
func (s *Schedule) listSoonIfUnsure(w *worker, now time.Time) bool {
	soon := now.Add(time.Duration(s.random.Float64() * float64(time.Minute)))
	if w.answer == noSuchWorker || !w.listingDue.After(soon) || !s.discoveryFailing(w.fleet.fleetKey) {
		return false
	}
	w.listingDue = soon
	return true
}

// workerShown takes in that ListWorkers shows a worker with a status, in answer to a request that was sent then. If the worker is
// new, its listing is urgent. So it is if its status announces a session, or has changed in any way while the ends of sessions
// are not seen by sweeps. It returns the worker.
func (s *Schedule) workerShown(f *fleet, id string, sh *shard, status *diff.WorkerStatus, sent, now time.Time) *worker {
	w := f.workers[id]
	if w == nil {
		w = s.addWorker(Known{Worker: diff.WorkerKey{FarmID: f.fleetKey.farm, FleetID: f.fleetKey.fleet, WorkerID: id}, Empty: true}, sh, f, now)
	}
	if w.isRetired() {
		delete(s.unlisted, w)
		w.listingFailures = 0 // else its back-off would go on, which may be a day
	}
	isNew := w.presence != presenceShown
	hasChanged := !isNew && w.status.Status != status.Status && !f.farm.isSwept && !s.isTight
	w.presence, w.isGone = presenceShown, false
	if w.status != status {
		f.countStatus(w, -1)
		w.status = status
		f.countStatus(w, 1)
	}
	s.noteStatus(w, sent, now)
	delete(s.unknown, w)
	switch {
	case isNew:
		for i := range w.lookups {
			w.lookups[i].missing = time.Time{} // its sessions are looked up at the usual pace again
		}
		s.countMissing(w)
		if w.listedAt.IsZero() && len(w.Open) == 0 {
			w.since = now
		}
		if !sh.settled && w.listedAt.IsZero() {
			s.beginFirst(w)
		}
		if sh.settled && w.isAtRest() {
			s.queueNew(w, now)
		} else {
			s.ask(w, s.randomDue(now))
		}
	case hasChanged:
		s.endMissing(w, now)
		s.ask(w, now)
	default:
		s.endMissing(w, now)
	}
	return w
}

// workerMissing takes in that a complete list of discovery does not show a worker. If one did before, the worker is listed at
// once, to see what has happened to its sessions.
func (s *Schedule) workerMissing(w *worker, now time.Time) {
	if _, isShown := w.fleet.shown[w.Worker.WorkerID]; isShown || w.presence == presenceMissing || w.activity == dropped {
		return
	}
	wasShown := w.presence == presenceShown
	w.presence = presenceMissing
	delete(s.unknown, w)
	if w.fleet.farm.isSwept && len(w.Open) == 0 && !w.isBusy() {
		// A listing would only say that the worker does not exist.
		if w.announced {
			s.noteUnseen(w.Worker, now)
		}
		w.urgent, w.announced = false, false
		s.rest(w, now)
	} else if wasShown {
		s.makeUrgent(w, now)
	} else if !w.isBusy() {
		s.rest(w, now)
	}
}

// queueNew queues a worker that discovery has found and that probably has no session yet.
func (s *Schedule) queueNew(w *worker, now time.Time) {
	w.listingDue = now
	if !w.isBusy() {
		s.rest(w, now)
	}
}

// makeUrgent makes a worker's listing urgent. It becomes due at the given time.
func (s *Schedule) makeUrgent(w *worker, due time.Time) {
	w.urgent = true
	s.leaveStatuses(w)
	if !w.isBusy() {
		s.rest(w, due)
	}
}
