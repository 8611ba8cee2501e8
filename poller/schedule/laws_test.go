package schedule

import (
	"errors"
	"fmt"
	"slices"
)

// consistent checks that every worker is either busy or queued, in the right queues, and that everything that is counted or
// kept as a set is what counting anew gives.
func consistent(s *Schedule) error {
	return errors.Join(workersAreQueued(s), sweepsAreQueued(s), setsAreRight(s), countsAreRight(s), flightsAreRight(s), tasksAreRight(s), placesAreKnown(s))
}

// workersAreQueued checks that every worker that is at rest is in exactly the queues that it belongs to.
func workersAreQueued(s *Schedule) error {
	listings, lookups := make(map[*queue]int), make(map[*queue]int)
	for _, w := range s.workers {
		id, in := w.Worker.WorkerID, w.listingPlace.in
		switch {
		case w.activity == dropped:
			return fmt.Errorf("%s is dropped", id)
		case w.isBusy() != (in == nil):
			return fmt.Errorf("%s: activity %d, queued %v", id, w.activity, in != nil)
		case in != nil && !s.isWaiting(w) && !w.isQueuedByLength():
			return fmt.Errorf("%s waits in another queue than that of class %d of its fleet", id, w.class)
		case s.isWaiting(w) && (in == &s.early) != s.mayBeEarly(w):
			return fmt.Errorf("%s may be listed early: %v, its weight is %d", id, !s.mayBeEarly(w), s.weight(w))
		case w.lookupPlace.in != nil && w.lookupPlace.in != &w.fleet.farm.lookups:
			return fmt.Errorf("%s waits for a lookup of another farm", id)
		case w.isBusy() && w.lookupPlace.in != nil, !w.isBusy() && (len(w.toLookUp()) > 0) != (w.lookupPlace.in != nil):
			return fmt.Errorf("%s: activity %d, %d sessions to look up, queued %v", id, w.activity, len(w.toLookUp()), w.lookupPlace.in != nil)
		}
		listings[in]++
		lookups[w.lookupPlace.in]++
	}
	var queued [classes]int
	for _, f := range s.order {
		for cl := range f.queues {
			for length := range f.queues[cl] {
				q := &f.queues[cl][length]
				queued[cl] += len(q.places)
				if err := isHeap(q, listings[q]); err != nil {
					return err
				}
			}
		}
	}
	if queued != s.queued {
		return fmt.Errorf("places by class: %v, queued is %v", queued, s.queued)
	}
	for _, f := range s.farmOrder {
		if err := isHeap(&f.lookups, lookups[&f.lookups]); err != nil {
			return err
		}
	}
	return errors.Join(isHeap(&s.waiting, listings[&s.waiting]), isHeap(&s.early, listings[&s.early]))
}

// isQueuedByLength reports whether a worker whose listing is due is in the queue of its class and length. The length of one that
// was never listed depends on what the last listings of its fleet were like when it was queued.
func (w *worker) isQueuedByLength() bool {
	queues := &w.fleet.queues[w.class]
	if w.lastPages == 0 && !w.stopped {
		other := unknown
		if w.endlessListings > 0 {
			other = long
		}
		return w.listingPlace.in == &queues[short] || w.listingPlace.in == &queues[other]
	}
	return w.listingPlace.in == &queues[w.length()]
}

// sweepsAreQueued checks that exactly those workers wait for a look at their status, and for a complete listing, that should.
func sweepsAreQueued(s *Schedule) error {
	statuses, expected, completes, watching := make(map[*queue]int), 0, 0, 0
	asked := make(map[*worker]bool)
	for _, f := range s.flights {
		for _, w := range f.task.workers {
			asked[w] = asked[w] || f.task.kind == BatchGetWorker
		}
	}
	for _, w := range s.workers {
		id := w.Worker.WorkerID
		canAnnounce := w.presence == presenceShown && len(w.Open) == 0 && !w.urgent && w.answer != noSuchWorker && w.activity == resting
		byFleet := w.lastPages == 0 && !w.stopped // whether it is short is said by its fleet, and may have changed since it was queued
		switch in := w.statusPlace.in; {
		case in != nil && in != &w.fleet.farm.statuses:
			return fmt.Errorf("%s waits for a look at its status in another farm", id)
		case in != nil && !canAnnounce, in == nil && canAnnounce && !asked[w]:
			return fmt.Errorf("%s waits for a look at its status: %v, presence %d, activity %d, %d open, urgent %v", id, in != nil, w.presence, w.activity, len(w.Open), w.urgent)
		}
		if in := w.expectedPlace.in; in != nil && (in != &s.expected || w.endedAt.IsZero()) {
			return fmt.Errorf("%s waits for a session to begin, and none has ended", id)
		}
		switch in := w.completePlace.in; {
		case in != nil && (in != &s.completes || w.activity != resting):
			return fmt.Errorf("%s waits for a complete listing, its activity is %d", id, w.activity)
		case w.activity == resting && !byFleet && (in != nil) != w.isShort():
			return fmt.Errorf("%s waits for a complete listing: %v; it stops early: %v", id, in != nil, w.isShort())
		}
		if w.statusPlace.in != nil {
			statuses[w.statusPlace.in]++
			watching++
		}
		expected += one(w.expectedPlace.in != nil)
		completes += one(w.completePlace.in != nil)
	}
	errs := []error{isHeap(&s.expected, expected), isHeap(&s.completes, completes)}
	for _, f := range s.farmOrder {
		errs = append(errs, isHeap(&f.statuses, statuses[&f.statuses]))
		if f.isSwept != f.off[BatchGetSession].IsZero() {
			errs = append(errs, fmt.Errorf("the open sessions of %s are swept: %v; BatchGetSession is off until %v", f.id, f.isSwept, f.off[BatchGetSession]))
		}
	}
	if watching != s.sweeps.watching {
		errs = append(errs, fmt.Errorf("%d workers wait for a look at their status, watching is %d", watching, s.sweeps.watching))
	}
	return errors.Join(errs...)
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// isHeap checks that a queue has so many places, in a heap.
func isHeap(q *queue, places int) error {
	if len(q.places) != places {
		return fmt.Errorf("%d places in a queue of %d workers", len(q.places), places)
	}
	for i, p := range q.places {
		if p.in != q || int(p.index) != i || i > 0 && p.key < q.places[(i-1)/2].key {
			return fmt.Errorf("place %d of a queue is wrong: %+v", i, p)
		}
	}
	return nil
}

// setsAreRight checks the sets of workers.
func setsAreRight(s *Schedule) error {
	type set struct {
		name  string
		has   map[*worker]struct{}
		least func(*worker) bool // who must be in the set
		most  func(*worker) bool // who may be in it
	}
	exactly := func(name string, has map[*worker]struct{}, is func(*worker) bool) set { return set{name, has, is, is} }
	for _, x := range []set{
		exactly("unknown", s.unknown, func(w *worker) bool { return w.presence == presenceUnknown }),
		exactly("active", s.active, func(w *worker) bool { return len(w.Open) > 0 }),
		exactly("missing", s.missing, func(w *worker) bool { return w.missing() > 0 }),
		{"unlisted", s.unlisted, func(*worker) bool { return false }, func(w *worker) bool { return w.listingFailures >= failingAfter }},
		{"lookupsFailing", s.lookupsFailing, func(*worker) bool { return false }, func(w *worker) bool { return w.lookupFailures >= failingAfter }},
		{"unasked", s.unasked, func(w *worker) bool { return !w.asked }, func(*worker) bool { return true }},
	} {
		for _, w := range s.workers {
			if _, in := x.has[w]; in && !x.most(w) || !in && x.least(w) {
				return fmt.Errorf("%s is in the set %s: %v", w.Worker.WorkerID, x.name, in)
			}
		}
		for w := range x.has {
			if s.workers[w.Worker] != w {
				return fmt.Errorf("%s is in the set %s and not in the schedule", w.Worker.WorkerID, x.name)
			}
		}
	}
	return nil
}

// countsAreRight checks what is counted of workers.
func countsAreRight(s *Schedule) error {
	open, watched, firsts := 0, 0, make(map[*shard]int)
	var weights [lengthCount]int
	for _, w := range s.workers {
		open += len(w.Open)
		weights[w.weighedAs] += int(w.weighed)
		watched += one(w.weighed > 0)
		if w.first {
			firsts[w.shard]++
		}
	}
	if weights != s.weights {
		return fmt.Errorf("the workers weigh %v, weights is %v", weights, s.weights)
	}
	if watched != s.watched {
		return fmt.Errorf("%d workers are listed regularly, watched is %d", watched, s.watched)
	}
	if open != s.openCount {
		return fmt.Errorf("%d open sessions, openCount is %d", open, s.openCount)
	}
	for _, sh := range s.shards {
		if firsts[sh] != sh.firsts {
			return fmt.Errorf("shard %d: %d workers wait for their first listing, firsts is %d", sh.number, firsts[sh], sh.firsts)
		}
		for _, f := range s.order {
			for _, q := range f.queues[second] {
				for _, p := range q.places {
					if p.worker.shard == sh && sh.firsts == 0 {
						return fmt.Errorf("%s waits for first listings, and there are none", p.worker.Worker.WorkerID)
					}
				}
			}
		}
	}
	return nil
}

// flightsAreRight checks what is counted of calls in flight.
func flightsAreRight(s *Schedule) error {
	var fast, slow, again [purposes]int
	type inFlight struct{ fast, slow int }
	scopes := make(map[*scope]inFlight)
	for _, f := range s.flights {
		u := f.task.kind.purpose()
		if f.task.again {
			again[u]++
		}
		if f.isSlow {
			slow[u]++
		} else {
			fast[u]++
		}
		if f.task.worker == nil {
			continue
		}
		for sc := &f.task.worker.fleet.scope; sc != nil; sc = sc.above {
			n := scopes[sc]
			if f.isSlow {
				n.slow++
			} else {
				n.fast++
			}
			scopes[sc] = n
		}
	}
	if fast != s.fast || slow != s.slow || again != s.again {
		return fmt.Errorf("in flight: fast %v, counted %v; slow %v, counted %v; again %v, counted %v", fast, s.fast, slow, s.slow, again, s.again)
	}
	all := []*scope{&s.operation}
	for _, f := range s.farms {
		all = append(all, &f.scope)
	}
	for _, f := range s.fleets {
		all = append(all, &f.scope)
	}
	for _, sc := range all {
		if n := scopes[sc]; n.fast != sc.fast || n.slow != sc.slow {
			return fmt.Errorf("a scope has %+v in flight, and counts %d fast and %d slow", n, sc.fast, sc.slow)
		}
		for w := range sc.failed {
			if s.workers[w.Worker] != w {
				return fmt.Errorf("%s has failed in a scope and is not in the schedule", w.Worker.WorkerID)
			}
		}
	}
	return nil
}

// tasksAreRight checks that a worker is in a call exactly if something is being done about it that goes on.
func tasksAreRight(s *Schedule) error {
	going := make(map[*worker]int)
	seen := make(map[*task]bool)
	add := func(t *task) {
		if seen[t] {
			return
		}
		seen[t] = true
		if t.worker != nil {
			going[t.worker]++
		}
		for _, w := range t.workers {
			going[w] += one(t.kind != BatchGetWorker)
		}
	}
	for _, f := range s.flights {
		add(f.task)
	}
	if len(s.jobLists) > jobPlaces || len(s.jobLists) > 0 && len(s.shards) == 0 {
		return fmt.Errorf("%d listings of jobs are under way, for %d shards", len(s.jobLists), len(s.shards))
	}
	for i, t := range s.jobLists {
		if t.kind != ListSessions || slices.ContainsFunc(s.jobLists[:i], func(o *task) bool { return o.job == t.job }) {
			return fmt.Errorf("%v is listed twice", t.job)
		}
	}
	for _, t := range s.listings {
		if t.worker.activity != inCall {
			return fmt.Errorf("%s is being listed, and its activity is %d", t.worker.Worker.WorkerID, t.worker.activity)
		}
		add(t)
	}
	for _, t := range s.repeats {
		add(t)
	}
	for _, w := range s.workers {
		if n := going[w]; n > 1 || (n == 1) != (w.activity == inCall) {
			return fmt.Errorf("%s has activity %d and is in %d tasks", w.Worker.WorkerID, w.activity, n)
		}
	}
	return nil
}

// placesAreKnown checks that workers belong to the fleets, farms and shards of the schedule, and that nothing is kept of others.
func placesAreKnown(s *Schedule) error {
	for _, w := range s.workers {
		if s.fleets[w.fleet.fleetKey] != w.fleet || w.fleet.workers[w.Worker.WorkerID] != w || s.farms[w.Worker.FarmID] != w.fleet.farm || s.shards[w.shard.number] != w.shard {
			return fmt.Errorf("%s belongs to something that is not known", w.Worker.WorkerID)
		}
	}
	workers, farms := 0, make(map[*farm]bool)
	for _, f := range s.order {
		workers += len(f.workers)
		farms[f.farm] = true
		if s.fleets[f.fleetKey] != f {
			return fmt.Errorf("%v is not the fleet of that name", f.fleetKey)
		}
	}
	if workers != len(s.workers) || len(s.order) != len(s.fleets) || len(s.farmOrder) != len(s.farms) || len(farms) != len(s.farms) {
		return fmt.Errorf("%d of %d workers, %d of %d fleets, %d and %d of %d farms", workers, len(s.workers), len(s.order), len(s.fleets), len(s.farmOrder), len(farms), len(s.farms))
	}
	return nil
}
