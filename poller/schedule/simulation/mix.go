package simulation

import (
	"math"
	"time"
)

const (
	largestBurst = 500
	burstSpread  = 5 * time.Second  // within which the sessions of a burst start
	scaleEvery   = 30 * time.Second // how often the autoscaler looks
	scalePeriod  = time.Hour        // of the swing of the number of workers
	churn        = 0.2              // the probability that a worker is deleted after a session
)

// defaultPages is how many pages a worker's listing has.
func (m Mix) defaultPages() int {
	if m == DeepHistory || m == DeepHistoryOldest {
		return 30
	}
	return 1
}

// begin puts on the agenda how sessions come about.
func (w *world) begin(at time.Duration) {
	switch w.config.Mix {
	case Bursts:
		w.agenda.add(at, func() { w.burst(at) })
		return
	case Autoscaling:
		w.agenda.add(at, func() { w.scale(at) })
	}
	for _, f := range w.fleets {
		for i, k := range f.workers {
			w.beginStream(k, at)
			if w.config.Mix == TwoAtOnce && i%3 == 0 {
				w.beginStream(k, at)
			}
		}
	}
}

// rhythm returns the mean length of a worker's sessions and of the gaps between them.
func (w *world) rhythm(k *worker) (session, gap time.Duration) {
	session = w.config.Session
	switch {
	case w.config.Mix == Idle:
		return session, 19 * session
	case w.config.Mix == Busy:
		return session, session * 3 / 100
	case w.config.Mix == Autoscaling:
		return session, session / 10
	case k.hot:
		return session / 4, session / 12
	case w.config.Mix == Skewed:
		return session, 26 * session
	}
	return session, 2 * session
}

// beginStream begins a row of sessions of a worker, one after the other.
func (w *world) beginStream(k *worker, at time.Duration) {
	k.streams++
	session, gap := w.rhythm(k)
	first := at + time.Duration(w.random.Float64()*float64(session)) + w.exponential(gap)
	w.agenda.add(first, func() { w.startNext(k, first) })
}

func (w *world) exponential(mean time.Duration) time.Duration {
	return time.Duration(w.random.ExpFloat64() * float64(mean))
}

// startNext starts the next session of a stream.
func (w *world) startNext(k *worker, at time.Duration) {
	mean, gap := w.rhythm(k)
	s := w.addSession(k, w.nextJob(), at, mean)
	next := s.end + w.exponential(gap)
	if w.config.Mix != Autoscaling {
		w.agenda.add(next, func() { w.startNext(k, next) })
		return
	}
	w.agenda.add(s.end, func() {
		if w.alive > w.wanted(s.end) || w.random.Float64() < churn {
			w.alive--
			k.deleted = s.end + time.Duration(w.random.Int64N(int64(scaleEvery)))
			return
		}
		w.agenda.add(next, func() { w.startNext(k, next) })
	})
}

// wanted returns how many workers there should be.
func (w *world) wanted(t time.Duration) int {
	return int(float64(w.config.Workers) * (1 + math.Sin(2*math.Pi*t.Seconds()/scalePeriod.Seconds())/4))
}

// scale creates the workers that are wanted, in all fleets alike.
func (w *world) scale(now time.Duration) {
	for n := w.wanted(now) - w.alive; n > 0; n-- {
		created := now + time.Duration(w.random.Int64N(int64(scaleEvery)))
		k := w.addWorker(w.fleets[w.random.IntN(len(w.fleets))], created)
		first := created + 10*time.Second + w.exponential(w.config.Session/20)
		w.agenda.add(first, func() { w.startNext(k, first) })
	}
	w.agenda.add(now+scaleEvery, func() { w.scale(now + scaleEvery) })
}

// burst starts the sessions of a job together, on workers without an open session.
func (w *world) burst(now time.Duration) {
	size := max(1, min(largestBurst, w.config.Workers/2))
	var free []*worker
	for _, f := range w.fleets {
		for _, k := range f.workers {
			if k.busyUntil <= now {
				free = append(free, k)
			}
		}
	}
	w.random.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	j := w.newJob(size)
	for _, k := range free[:min(size, len(free))] {
		w.addSession(k, j, now+time.Duration(w.random.Int64N(int64(burstSpread))), w.config.Session)
	}
	// So a third of the workers has an open session on average.
	next := now + time.Duration(float64(w.config.Session)*float64(size)*3/float64(w.config.Workers))
	w.agenda.add(next, func() { w.burst(next) })
}
