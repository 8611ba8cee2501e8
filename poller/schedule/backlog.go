package schedule

import "time"

// Some news concern very many workers: a fleet of 50,000 is gone, or nothing can be listed any more. To deal with all of them
// in one call of Next or Done would take longer than all other calls together may wait. So each call deals with some, and the
// others wait in the backlog.
const (
	atOnce       = 100              // workers that one call deals with; each costs up to 10 µs if its memory is not in the cache
	backlogPause = time.Millisecond // until Next is to be called again, if it has no call to send and there is a backlog
)

// chore is what is still to be done about some workers.
type chore struct {
	left int             // calls of next
	next func(time.Time) // deals with one more of them
}

// forAll does something about all of the workers, or their ids: about the first of them now, and about the others soon. What
// it does must look at how things stand by then.
func forAll[T any](s *Schedule, workers []T, now time.Time, do func(T, time.Time)) {
	if len(workers) == 0 {
		return
	}
	s.backlog = append(s.backlog, chore{len(workers), func(now time.Time) {
		w := workers[0]
		workers = workers[1:]
		do(w, now)
	}})
	s.catchUp(now)
}

// catchUp deals with a part of the backlog.
func (s *Schedule) catchUp(now time.Time) {
	for n := 0; n < atOnce && len(s.backlog) > 0; n++ {
		next := s.backlog[0].next
		if s.backlog[0].left--; s.backlog[0].left == 0 {
			s.backlog[0] = chore{}
			s.backlog = s.backlog[1:]
		}
		next(now)
	}
}

// isBehind reports whether there is a backlog, or workers are due that promote has not come to.
func (s *Schedule) isBehind(now time.Time) bool {
	limit := s.key(now)
	isLate := func(q *queue) bool { p := q.first(); return p != nil && p.key <= limit }
	return len(s.backlog) > 0 || isLate(&s.waiting) || isLate(&s.early) || isLate(&s.expected)
}

// requeue queues a worker anew, because something has changed that decides where it waits.
func (s *Schedule) requeue(w *worker, now time.Time) {
	if w.activity == resting {
		s.rest(w, now)
	}
}
