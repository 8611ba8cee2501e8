package poller

import (
	"maps"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// shard is a shard that is owned, or that was disowned and has calls in flight.
type shard struct {
	number   int
	box      *outbox
	workers  map[diff.WorkerKey]committed // those of which something is known
	since    uint64                       // the number of the last call that was sent before it was owned
	calls    int                          // in flight that give observations of its workers
	disowned bool
}

// committed is what the loop keeps of a worker.
type committed struct {
	snapshot diff.Snapshot // the last one; the zero value if nothing was committed yet
	listed   time.Time     // when the last complete listing began; zero if there was none since the shard is owned
}

// flight is a call in flight.
type flight struct {
	schedule.Call
	cancel  func()
	shards  []*shard                              // those that it may give observations of, when it was sent; none for a list of a job
	status  map[diff.WorkerKey]*diff.WorkerStatus // of the workers of shards that were disowned meanwhile
	atFirst bool                                  // it was sent while no shard was owned, only to see whether a farm is shown
	request Request                               // what the Watcher was told of it, if there is one
}

// workers returns the workers of which a call may give observations: the one that is listed, or those whose sessions are looked
// up. Which ones a list of a job may show is not known.
func workers(c schedule.Call) []diff.WorkerKey {
	if c.Kind == schedule.ListSessionsForWorker {
		return []diff.WorkerKey{c.Worker}
	}
	keys := make([]diff.WorkerKey, 0, len(c.Sessions))
	for _, s := range c.Sessions {
		if !slices.Contains(keys, s.WorkerKey) {
			keys = append(keys, s.WorkerKey)
		}
	}
	return keys
}

// shardOf returns the shard of a worker of a call that was in flight, or nil. A list of a job counts for the shards that were
// owned all the time: what others have committed meanwhile may come from a later request.
func (l *loop) shardOf(f *flight, w diff.WorkerKey) *shard {
	number := l.poller.config.Shard(w.WorkerID)
	if f.Kind == schedule.ListSessions {
		if s := l.shards[number]; s != nil && f.Number > s.since {
			return s
		}
		return nil
	}
	if i := slices.IndexFunc(f.shards, func(s *shard) bool { return s.number == number }); i >= 0 {
		return f.shards[i]
	}
	return nil
}

// receiver returns the shard to which an observation of one of a call's workers goes. If the worker's shard was disowned
// meanwhile, the observation goes to those who owned it when the call was sent. Otherwise it counts only if the schedule knows of
// it, and if not, receiver returns nil.
func (l *loop) receiver(f *flight, w diff.WorkerKey, ignored bool) *shard {
	s := l.shardOf(f, w)
	if s == nil || ignored && !s.disowned {
		return nil
	}
	return s
}

// deliver hands over an observation of one of a call's workers.
func (l *loop) deliver(f *flight, o diff.Observation, ignored bool) {
	s := l.receiver(f, o.Worker, ignored)
	switch {
	case s == nil:
		return
	case s.disowned:
		o.Status = f.status[o.Worker]
	default:
		o.Status = l.schedule.Status(o.Worker)
	}
	s.box.put(l.ctx, o)
}

func (l *loop) own(o *ownership, now time.Time) {
	if len(l.shards) == 0 {
		l.service.operations.restart()
	}
	s := &shard{number: o.shard, box: o.box, since: l.lastCall, workers: make(map[diff.WorkerKey]committed, len(o.snapshots))}
	l.shards[o.shard] = s
	l.running.Go(func() { s.box.run(l.ctx) })
	known := make([]schedule.Known, 0, len(o.snapshots))
	for _, snapshot := range o.snapshots {
		known = append(known, schedule.KnownOf(snapshot))
		s.workers[snapshot.Worker()] = committed{snapshot: snapshot}
	}
	l.schedule.Own(o.shard, known, now)
}

// disown stops the polling of a shard. A call for workers of several shards is cancelled too, and repeated for the others.
// A listing of which no call is in flight is given up, and what its pages have shown is delivered at once.
func (l *loop) disown(number int, now time.Time) {
	s := l.shards[number]
	if s == nil {
		return
	}
	delete(l.shards, number)
	inFlight := make(map[uint64]bool)
	for _, f := range l.flights {
		inFlight[f.List] = true
		if !slices.Contains(f.shards, s) {
			continue
		}
		f.cancel()
		if f.status == nil {
			f.status = make(map[diff.WorkerKey]*diff.WorkerStatus)
		}
		for _, w := range workers(f.Call) {
			if l.shardOf(f, w) == s {
				f.status[w] = l.schedule.Status(w)
			}
		}
	}
	for _, o := range l.assembler.stop(number, inFlight) {
		o.Status = l.schedule.Status(o.Worker)
		s.box.put(l.ctx, o)
	}
	l.schedule.Disown(number, now)
	s.disowned = true
	s.closeIfDone()
}

// closeIfDone closes the box if nothing more comes.
func (s *shard) closeIfDone() {
	if s.disowned && s.calls == 0 {
		close(s.box.stop)
	}
}

// commit takes in what is known of a worker now.
func (l *loop) commit(snapshot diff.Snapshot, now time.Time) {
	w := snapshot.Worker()
	if s := l.shards[l.poller.config.Shard(w.WorkerID)]; s != nil {
		known := s.workers[w]
		known.snapshot = snapshot
		s.workers[w] = known
		l.schedule.Committed(schedule.KnownOf(snapshot), now)
	}
}

// known returns the last committed snapshot of a worker that a list shows. It reports false for a job's page if what that shows
// of the worker does not count: the worker is of a shard that is not owned, or its fleet is not found or not to be polled. The
// watch on a fleet begins when it is found, and is stored before anything of the fleet is compared.
func (l *loop) known(f *flight, w diff.WorkerKey) (diff.Snapshot, bool) {
	s := l.shardOf(f, w)
	isFound := f.Kind != schedule.ListSessions || l.directory.has(w.FarmID, w.FleetID) && l.poller.config.isSelected(w.FarmID, w.FleetID)
	if s == nil || !isFound {
		return diff.Snapshot{}, false
	}
	return s.workers[w].snapshot, true
}

// noteListed takes in a complete listing, and returns how long ago the last one of the worker began. It reports false if
// there was none.
func (f *flight) noteListed(began, now time.Time) (time.Duration, bool) {
	if len(f.shards) == 0 {
		return 0, false
	}
	known := f.shards[0].workers[f.Worker]
	last := known.listed
	known.listed = began
	f.shards[0].workers[f.Worker] = known
	return now.Sub(last), !last.IsZero()
}

// forget removes what is kept of workers of which nothing is known, neither to the schedule nor in a snapshot.
func (s *shard) forget(isKnown func(diff.WorkerKey) bool) {
	maps.DeleteFunc(s.workers, func(w diff.WorkerKey, c committed) bool { return c.snapshot.Empty() && !isKnown(w) })
}
