package simulation

import (
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

const (
	lookupSize = 100              // sessions of a lookup
	gatherFor  = 30 * time.Second // the time between two lookups that are not full
)

// RoundRobin is the scheduler to compare with: it lists every worker in turn, all pages. Only sessions of deleted workers are
// looked up. It sends its requests at equal distances, and knows no back-off and no pauses.
type RoundRobin struct {
	rate      float64
	number    uint64          // of the last call
	sendAt    time.Time       // the next request
	pages     []schedule.Call // those of listings under way that can be sent
	order     []*turn         // the workers, from next on, and then from the beginning
	next      int
	turns     map[diff.WorkerKey]*turn
	lookups   []diff.Session // that are to be looked up
	lookedUp  time.Time      // the last lookup
	discovery discovery
}

// turn is a worker's place in the order.
type turn struct {
	worker      diff.WorkerKey
	busy, known bool   // known: it has open sessions
	shown       uint64 // the last round of discovery that showed it
}

// NewRoundRobin returns a scheduler that sends so many requests a second and lists farms, fleets and workers once in every.
func NewRoundRobin(rate float64, every time.Duration, now time.Time) *RoundRobin {
	return &RoundRobin{
		rate: rate, sendAt: now, turns: make(map[diff.WorkerKey]*turn), discovery: discovery{rate: rate, every: every},
	}
}

// Next returns the call to send now, or when to ask again.
func (r *RoundRobin) Next(now time.Time) (schedule.Call, time.Time) {
	if r.sendAt.After(now) {
		return schedule.Call{}, r.sendAt
	}
	c, wake := r.choose(now)
	if c.Kind == 0 {
		return schedule.Call{}, wake
	}
	r.number++
	c.Number = r.number
	if c.List == 0 {
		c.List = c.Number
	}
	r.sendAt = now.Add(time.Duration(float64(time.Second) / r.rate))
	return c, time.Time{}
}

// choose returns the next call without its number. A call without a kind is none.
func (r *RoundRobin) choose(now time.Time) (schedule.Call, time.Time) {
	c, wake := r.discovery.next(now)
	if c.Kind != 0 {
		return c, wake
	}
	if len(r.pages) > 0 {
		c, r.pages = r.pages[0], r.pages[1:]
		return c, wake
	}
	if due := r.lookupAt(); !due.IsZero() && !due.After(now) {
		if c = r.lookUp(); c.Kind != 0 {
			r.lookedUp = now
			return c, wake
		}
	}
	for range r.order {
		if r.next >= len(r.order) {
			r.next = 0
		}
		t := r.order[r.next]
		r.next++
		if !t.busy {
			t.busy = true
			return schedule.Call{Kind: schedule.ListSessionsForWorker, Worker: t.worker, Page: 1, Shards: []int{0}}, wake
		}
	}
	if due := r.lookupAt(); due.After(now) {
		wake = soonest(wake, due)
	}
	return schedule.Call{}, wake
}

// lookupAt returns when the next lookup is due: at once if its sessions fill a request, else a while after the last one. It is
// zero if no session is to be looked up.
func (r *RoundRobin) lookupAt() time.Time {
	switch {
	case len(r.lookups) == 0:
		return time.Time{}
	case len(r.lookups) >= lookupSize:
		return r.lookedUp
	}
	return r.lookedUp.Add(gatherFor)
}

// lookUp returns the next lookup. Sessions of a worker that is in a call wait, and those of a worker that was dropped are
// looked up no more.
func (r *RoundRobin) lookUp() schedule.Call {
	var c schedule.Call
	var rest []diff.Session
	taken := make(map[diff.WorkerKey]bool)
	for _, s := range r.lookups {
		t := r.turns[s.WorkerKey]
		fits := len(c.Sessions) < lookupSize && (len(c.Sessions) == 0 || s.FarmID == c.Sessions[0].FarmID)
		if t == nil {
			continue
		}
		if !fits || t.busy && !taken[s.WorkerKey] {
			rest = append(rest, s)
			continue
		}
		t.busy, taken[s.WorkerKey] = true, true
		c.Kind, c.Sessions, c.Shards = schedule.BatchGetSession, append(c.Sessions, s), []int{0}
	}
	r.lookups = rest
	return c
}

// Done takes in what came of a call.
func (r *RoundRobin) Done(c schedule.Call, a schedule.Answer, now time.Time) schedule.Outcome {
	o := schedule.Outcome{Stage: schedule.Complete}
	switch {
	case c.Kind.IsDiscovery():
		return r.discovered(c, a)
	case c.Kind != schedule.ListSessionsForWorker:
		if a.Reason != "" {
			o.Stage = schedule.Discarded
			r.lookups = append(r.lookups, c.Sessions...)
			for _, s := range c.Sessions {
				r.turns[s.WorkerKey].busy = false
			}
		}
	case a.NotFound == "worker":
		o.NoSuchWorker = true
	case a.Reason == schedule.Throttled:
		o.Stage = schedule.UnderWay
		r.pages = append(r.pages, c)
	case a.Reason != "":
		o.Stage, o.Reason = schedule.Discarded, a.Reason
		r.turns[c.Worker].busy = false
	case a.Next != "":
		o.Stage = schedule.UnderWay
		c.Page, c.Token = c.Page+1, a.Next
		r.pages = append(r.pages, c)
	}
	return o
}

// discovered takes in a page of discovery.
func (r *RoundRobin) discovered(c schedule.Call, a schedule.Answer) schedule.Outcome {
	for _, w := range a.Workers {
		r.shown(diff.WorkerKey{FarmID: c.Farm, FleetID: c.Fleet, WorkerID: w.ID})
	}
	o, complete := r.discovery.done(c, a)
	if complete {
		r.dropMissing()
	}
	return o
}

func (r *RoundRobin) shown(w diff.WorkerKey) {
	t := r.turns[w]
	if t == nil {
		t = &turn{worker: w}
		r.turns[w], r.order = t, append(r.order, t)
	}
	t.shown = r.discovery.round
}

// dropMissing drops the workers that a round of discovery did not show, unless sessions of them are open.
func (r *RoundRobin) dropMissing() {
	kept := r.order[:0]
	next := r.next
	for i, t := range r.order {
		if t.shown == r.discovery.round || t.busy || t.known {
			kept = append(kept, t)
			continue
		}
		delete(r.turns, t.worker)
		if i < r.next {
			next--
		}
	}
	r.order, r.next = kept, next
}

// Committed takes in what is known of a worker.
func (r *RoundRobin) Committed(k schedule.Known, now time.Time) {
	t := r.turns[k.Worker]
	t.busy, t.known = false, len(k.Open) > 0
	r.lookups = slices.DeleteFunc(r.lookups, func(s diff.Session) bool { return s.WorkerKey == k.Worker })
	r.lookups = append(r.lookups, k.Unresolved...)
}
