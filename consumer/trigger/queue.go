package trigger

import (
	"container/heap"
	"slices"
	"time"
)

// queue decides which event is tried next. It holds every event that is not done.
//
// An event that fails waits by itself, and others go on. But the events of one session are tried in their order: one is not
// tried before those that precede it are done. Events that are due again take no more than all slots but one, so that events
// that fail slowly leave room for new ones, and new ones leave one slot for them.
type queue struct {
	slots    int // tries at the same time
	size     int // events
	running  int
	retrying int // of these, the ones of events that have failed before
	lines    map[string][]*item
	fresh    []*item // not tried yet, and first of their session, in the order in which they were read
	waiting  dues    // have failed
	retried  bool    // the last that was begun had failed before
}

func newQueue(slots int) *queue { return &queue{slots: slots, lines: map[string][]*item{}} }

// add adds an event, which comes after all others of its session.
func (q *queue) add(i *item) {
	key := i.event.Subject
	q.lines[key] = append(q.lines[key], i)
	q.size++
	if len(q.lines[key]) == 1 {
		q.fresh = append(q.fresh, i)
	}
}

// next begins a try, and returns its event, or nil if none can begin now.
func (q *queue) next(now time.Time) *item {
	if q.running >= q.slots {
		return nil
	}
	due := len(q.waiting) > 0 && !q.waiting[0].due.After(now)
	if len(q.fresh) == 0 && !due {
		return nil
	}
	q.retried = due && q.prefersRetry()
	var i *item
	switch {
	case q.retried:
		i = heap.Pop(&q.waiting).(*item)
		i.retry = true
		q.retrying++
	case len(q.fresh) > 0:
		i, q.fresh = q.fresh[0], q.fresh[1:]
	default:
		return nil
	}
	i.running = true
	q.running++
	return i
}

// prefersRetry reports whether an event that is due again goes before one that was not tried yet.
func (q *queue) prefersRetry() bool {
	switch {
	case q.retrying >= q.mostRetries():
		return false
	case q.slots == 1:
		return len(q.fresh) == 0 || !q.retried
	}
	return len(q.fresh) == 0 || q.retrying == 0
}

// mostRetries is how many slots may be taken by events that have failed before.
func (q *queue) mostRetries() int { return max(1, q.slots-1) }

// ended takes in that a try has ended.
func (q *queue) ended(i *item) {
	i.running = false
	q.running--
	if i.retry {
		i.retry = false
		q.retrying--
	}
}

// wait lets an event wait until it is due.
func (q *queue) wait(i *item, due time.Time) {
	i.due = due
	heap.Push(&q.waiting, i)
}

// done removes an event. The next one of its session can be tried then.
func (q *queue) done(i *item) {
	key := i.event.Subject
	q.lines[key] = slices.DeleteFunc(q.lines[key], func(other *item) bool { return other == i })
	q.size--
	q.promote(key)
}

// promote makes the first event of a session ready to be tried, if it was not tried yet.
func (q *queue) promote(key string) {
	line := q.lines[key]
	if len(line) == 0 {
		delete(q.lines, key)
		return
	}
	if head := line[0]; head.due.IsZero() && !head.running && !slices.Contains(q.fresh, head) {
		q.fresh = append(q.fresh, head)
	}
}

// drop removes the events of a partition that are not running.
func (q *queue) drop(p *partition) {
	gone := func(i *item) bool { return i.partition == p && !i.running }
	q.fresh = slices.DeleteFunc(q.fresh, gone)
	q.waiting = slices.DeleteFunc(q.waiting, gone)
	heap.Init(&q.waiting)
	for key, line := range q.lines {
		q.lines[key] = slices.DeleteFunc(line, gone)
		q.size -= len(line) - len(q.lines[key])
		q.promote(key)
	}
}

// hasten makes the events due that wait for a target that was not there, and that has not said how long.
func (q *queue) hasten(now time.Time) {
	for _, i := range q.waiting {
		if i.result.Outcome == Unavailable && i.result.RetryAfter == 0 && i.due.After(now) {
			i.due = now
		}
	}
	heap.Init(&q.waiting)
}

// wake returns when an event that has failed can be tried again; zero if none waits, or if one under way has to end first.
func (q *queue) wake() time.Time {
	if len(q.waiting) == 0 || q.running >= q.slots || q.retrying >= q.mostRetries() {
		return time.Time{}
	}
	return q.waiting[0].due
}

// all calls f for each event.
func (q *queue) all(f func(*item)) {
	for _, line := range q.lines {
		for _, i := range line {
			f(i)
		}
	}
}

// dues is a heap of events by the time of their next try.
type dues []*item

func (d dues) Len() int           { return len(d) }
func (d dues) Less(a, b int) bool { return d[a].due.Before(d[b].due) }
func (d dues) Swap(a, b int)      { d[a], d[b] = d[b], d[a] }
func (d *dues) Push(x any)        { *d = append(*d, x.(*item)) }
func (d *dues) Pop() any {
	last := len(*d) - 1
	i := (*d)[last]
	*d = (*d)[:last]
	return i
}
