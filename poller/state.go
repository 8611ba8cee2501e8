package poller

import (
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// Phase is where a Poller is in its life.
type Phase int

// The phases, in their order.
const (
	NotStarted Phase = iota // Run was not called yet
	Polling
	Ended // Run has returned
)

// State is what a Poller knows of its own work. It never changes: a later call of Poller.State returns a
// newer one.
//
// While no shard is owned, only Phase, the Counts and Operations are set, because the Poller sends no requests then,
// except those until Deadline Cloud has shown a farm.
type State struct {
	Phase Phase
	schedule.State
	Failing        []Outage             // operations in use that give no usable answer, by their names
	ThrottledRatio float64              // the part of the attempts in the last five minutes that was throttled
	Operations     map[string]Operation // by the name of the API operation; those that were never tried are left out
}

// Outage is an API operation that gives no usable answer.
type Outage struct {
	Operation string
	For       time.Duration   // since the first failure after its last usable answer
	Reason    schedule.Reason // of the last failure
}

// Operation counts the attempts of one API operation since the Poller was made. Attempts that were cancelled
// are not counted. Not every failure is a fault: schedule.ResourceNotFound is also how the service says that a worker or
// a session does not exist any more.
type Operation struct {
	Answered uint64                     // with status 200, and the SDK could read the answer
	Failed   map[schedule.Reason]uint64 // by the reason
}

// publish sets the gauges and publishes the State.
func (l *loop) publish(now time.Time) {
	s := l.publishState(now)
	counted := l.published%countEvery == 0
	l.service.metrics.set(s, counted)
	if counted {
		l.assembler.forgetJobs(l.listsInFlight(), now)
		for _, shard := range l.shards {
			shard.forget(func(w diff.WorkerKey) bool { return l.schedule.Status(w) != nil })
		}
	}
	l.published++
}

// publishState publishes the State of now, and returns the schedule's part of it.
func (l *loop) publishState(now time.Time) *schedule.State {
	s := State{Phase: Polling, State: l.schedule.State(now)}
	if len(l.shards) > 0 {
		s.Failing = l.failing(&s.State, now)
		s.ThrottledRatio = l.service.operations.throttledRatio(now)
	}
	l.poller.state.Store(&s)
	l.noteCounts(s.Counts)
	return &s.State
}

// publishCounts publishes the last State with the counts of now. That costs little, so it is done after every reply and
// command, when what follows from it was sent.
func (l *loop) publishCounts() {
	s := *l.poller.state.Load()
	s.Counts = l.schedule.Counts()
	l.poller.state.Store(&s)
	l.noteCounts(s.Counts)
}

func (l *loop) noteCounts(c schedule.Counts) {
	l.service.metrics.callsInFlight.Set(float64(c.InFlight))
	if c.FarmShown && !l.farmShown {
		l.farmShown = true
		close(l.poller.farmShown)
	}
}

// failing returns the operations in use that give no usable answer. Those that the schedule can do without are in use only now
// and then, so they are only told if they were denied, which does not pass by itself.
func (l *loop) failing(s *schedule.State, now time.Time) []Outage {
	needed := make(map[string]bool) // whether it is in use
	for _, kind := range [...]schedule.Kind{schedule.ListFarms, schedule.ListFleets, schedule.ListWorkers, schedule.ListSessionsForWorker} {
		needed[kind.Operation()] = s.Uses[kind]
	}
	c := l.poller.config
	return slices.DeleteFunc(l.service.operations.outages(now, 2*max(c.Staleness, c.Discovery)), func(o Outage) bool {
		isUsed, isNeeded := needed[o.Operation]
		return isNeeded && !isUsed || !isNeeded && o.Reason != schedule.Denied
	})
}
