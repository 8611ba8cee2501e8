package poller

import (
	"container/heap"
	"time"
)

// place is a worker's place in a queue, or in none.
type place struct {
	worker *scheduledWorker
	at     time.Time // the earliest goes first
	index  int       // in the heap
	in     *queue    // nil if the place is in none
}

// enter puts the place into the queue with the given time. The place leaves the queue that it was in.
func (p *place) enter(q *queue, at time.Time) {
	if p.in == q {
		p.at = at
		heap.Fix(&q.places, p.index)
		return
	}
	p.leave()
	p.in, p.at = q, at
	heap.Push(&q.places, p)
}

// leave removes the place from its queue, if it is in one.
func (p *place) leave() {
	if p.in != nil {
		heap.Remove(&p.in.places, p.index)
		p.in = nil
	}
}

// queue is a priority queue of places by their times.
type queue struct {
	places places
}

// first returns the place with the earliest time, or nil.
func (q *queue) first() *place {
	if len(q.places) == 0 {
		return nil
	}
	return q.places[0]
}

// places is the heap of a queue. It implements heap.Interface.
type places []*place

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i].at.Before(p[j].at) }
func (p places) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].index, p[j].index = i, j
}

// Push is a method of heap.Interface.
func (p *places) Push(x any) {
	x.(*place).index = len(*p)
	*p = append(*p, x.(*place))
}

// Pop is a method of heap.Interface.
func (p *places) Pop() any {
	last := len(*p) - 1
	x := (*p)[last]
	(*p)[last] = nil
	*p = (*p)[:last]
	return x
}
