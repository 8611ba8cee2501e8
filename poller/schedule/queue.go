package schedule

// place is a worker's place in a queue, or in none.
type place struct {
	worker *worker
	key    int64  // when it is due, see Schedule.key; the earliest goes first
	index  int32  // in the heap
	in     *queue // nil if the place is in none
}

// enter puts the place into the queue with the given key. The place leaves the queue that it was in.
func (p *place) enter(q *queue, key int64) {
	p.key = key
	if p.in == q {
		q.put(int(p.index), entry{key, p})
		return
	}
	p.leave()
	p.in = q
	q.places = append(q.places, entry{})
	q.put(len(q.places)-1, entry{key, p})
}

// leave removes the place from its queue, if it is in one.
func (p *place) leave() {
	q := p.in
	if q == nil {
		return
	}
	p.in = nil
	last := len(q.places) - 1
	e := q.places[last]
	q.places[last] = entry{}
	q.places = q.places[:last]
	if i := int(p.index); i < last {
		q.put(i, e)
	}
}

// queue is a priority queue of places by their keys. It is a binary heap that has the keys beside the places. With
// container/heap each comparison would wait for the memory of two workers, which takes most of the time if there are many.
type queue struct {
	places []entry
}

type entry struct {
	key int64
	*place
}

// first returns the place with the smallest key, or nil.
func (q *queue) first() *place {
	if len(q.places) == 0 {
		return nil
	}
	return q.places[0].place
}

// put puts an entry in the place of another one, and restores the order of the heap.
func (q *queue) put(i int, e entry) {
	for i > 0 && e.key < q.places[(i-1)/2].key {
		q.set(i, q.places[(i-1)/2])
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(q.places) && q.places[child+1].key < q.places[child].key {
			child++
		}
		if child >= len(q.places) || e.key <= q.places[child].key {
			break
		}
		q.set(i, q.places[child])
		i = child
	}
	q.set(i, e)
}

func (q *queue) set(i int, e entry) {
	q.places[i] = e
	e.place.index = int32(i)
}
