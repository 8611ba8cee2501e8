package poller

import (
	"context"
	"slices"
	"time"

	"farmwire/diff"
)

// shard is a shard that is owned, or that was disowned and has calls in flight.
type shard struct {
	number   int
	box      *outbox
	calls    map[uint64]context.CancelFunc // the calls in flight for its workers, by number
	disowned bool
}

// callDone takes in that a call has ended and its observations are delivered.
func (s *shard) callDone(number uint64) {
	delete(s.calls, number)
	s.closeIfDone()
}

// closeIfDone closes the box if nothing more comes.
func (s *shard) closeIfDone() {
	if s.disowned && len(s.calls) == 0 {
		close(s.box.stop)
	}
}

// shardsOf returns the shards of a call's workers.
func (l *loop) shardsOf(c call) []*shard {
	var all []*shard
	for _, w := range c.workers {
		if s := l.shards[w.shard]; !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// deliver hands over an observation of one of a call's workers. If the worker's shard was disowned meanwhile, the
// observation goes to those who owned it when the call began.
func (l *loop) deliver(r result, o diff.Observation) {
	i := slices.IndexFunc(r.call.workers, func(w *scheduledWorker) bool { return w.key == o.Worker })
	if i < 0 {
		return
	}
	w := r.call.workers[i]
	at := slices.IndexFunc(r.shards, func(s *shard) bool { return s.number == w.shard })
	if s := r.shards[at]; s.disowned || w.activity != dropped {
		o.Status = w.status
		s.box.put(l.ctx, o)
	}
}

func (l *loop) own(o *ownership, now time.Time) {
	if len(l.shards) == 0 {
		l.service.operations.restart()
	}
	l.shards[o.shard] = &shard{number: o.shard, box: o.box, calls: make(map[uint64]context.CancelFunc)}
	l.running.Go(func() { o.box.run(l.ctx) })
	l.shareBudget(now)
	for _, snapshot := range o.snapshots {
		if w := snapshot.Worker(); l.isSelected(w.FarmID, w.FleetID) {
			l.schedule.addKnown(w, o.shard, committedSessionsOf(snapshot), l.schedule.randomDue(now))
		}
	}
	for _, f := range l.directory.fleets {
		for _, w := range f.workers {
			if l.poller.config.Shard(w.key.WorkerID) == o.shard {
				l.schedule.workerShown(w.key, o.shard, w.status, now)
			}
		}
	}
}

// disown stops the polling of a shard. A call for workers of several shards is cancelled too, and repeated for the others.
func (l *loop) disown(number int) {
	s := l.shards[number]
	if s == nil {
		return
	}
	delete(l.shards, number)
	l.schedule.disown(number)
	l.shareBudget(time.Now())
	s.disowned = true
	for _, cancel := range s.calls {
		cancel()
	}
	s.closeIfDone()
}

func (l *loop) shareBudget(now time.Time) {
	l.service.budget.setShare(len(l.shards), l.poller.config.Shards, now)
	l.service.metrics.requestRate.Set(l.service.budget.rate(len(l.shards)))
}
