package simulation

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// valued is something that can be asked about, and the delay in seconds that this would remove.
type valued[T any] struct {
	of    T
	value float64
}

// largest returns those that a request can ask about and that are worth most, and what they are worth together. They are of
// the farm of the one that is worth most.
func largest[T any](all []valued[T], farm func(T) string) ([]T, float64) {
	if len(all) == 0 {
		return nil, 0
	}
	first := slices.MaxFunc(all, func(a, b valued[T]) int { return cmp.Compare(a.value, b.value) })
	most := make(smallestFirst[T], 0, batch)
	for _, v := range all {
		switch {
		case farm(v.of) != farm(first.of):
		case len(most) < batch:
			if most = append(most, v); len(most) == batch {
				heap.Init(&most)
			}
		case v.value > most[0].value:
			most[0] = v
			heap.Fix(&most, 0)
		}
	}
	taken, sum := make([]T, 0, len(most)), 0.0
	for _, v := range most {
		taken, sum = append(taken, v.of), sum+v.value
	}
	return taken, sum
}

// smallestFirst implements heap.Interface.
type smallestFirst[T any] []valued[T]

func (s smallestFirst[T]) Len() int           { return len(s) }
func (s smallestFirst[T]) Less(i, j int) bool { return s[i].value < s[j].value }
func (s smallestFirst[T]) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push and Pop are methods of heap.Interface. The number of items does not change.
func (s *smallestFirst[T]) Push(any) {}

// Pop returns nothing, see Push.
func (s *smallestFirst[T]) Pop() any { return nil }

// bestSessions returns the open sessions that are most worth a look.
func (x *Index) bestSessions(now time.Time) ([]*indexedSession, float64) {
	all := x.valuedSessions[:0]
	for _, w := range x.order {
		if w.busy {
			continue
		}
		for _, s := range w.open {
			all = append(all, valued[*indexedSession]{s, x.endValue(s, now)})
		}
	}
	x.valuedSessions = all
	return largest(all, func(s *indexedSession) string { return s.FarmID })
}

// endValue returns the delay of its end that a look at the session removes.
func (x *Index) endValue(s *indexedSession, now time.Time) float64 {
	mean := s.worker.session.Seconds()
	h := x.lengths[s.queue]
	age, looked := now.Sub(s.StartedAt).Seconds()/mean, s.lookedAt.Sub(s.StartedAt).Seconds()/mean
	ended, since := h.until(age)-h.until(looked), now.Sub(s.lookedAt).Seconds()
	return worth(ended, h.at(age)/mean, since)
}

// startRate returns the starts a second of a worker that nothing would announce at once but its status.
func (w *indexed) startRate() float64 {
	switch {
	case len(w.open) >= w.streams:
		return 0
	case w.fresh:
		return 2 / w.gap.Seconds() // see world.scale
	}
	return float64(w.streams-len(w.open)) / w.gap.Seconds()
}

// bestStatuses returns the workers of which the status is most worth a look.
func (x *Index) bestStatuses(now time.Time) ([]*indexed, float64) {
	all := x.valuedWorkers[:0]
	for _, w := range x.order {
		if w.busy || w.gone || w.announced || len(w.open) > 0 || now.Sub(w.endedAt) < newsAfter {
			continue
		}
		since := now.Sub(latest(w.statusAt, w.quietSince())).Seconds()
		all = append(all, valued[*indexed]{w, w.startRate() * since * since / 2})
	}
	x.valuedWorkers = all
	return largest(all, func(w *indexed) string { return w.key.FarmID })
}

// quietSince returns the last time at which the worker had no session that is not known.
func (w *indexed) quietSince() time.Time { return latest(latest(w.quietAt, w.endedAt), w.listedAt) }

// bestListing returns the worker that is most worth a listing. It also counts the starts that are not known.
func (x *Index) bestListing(now time.Time) (best *indexed, most float64) {
	x.waiting, x.unlisted = 0, 0
	announced := 0
	for _, w := range x.order {
		if w.announced && (!w.gone || now.Sub(w.announcedAt) < decay) {
			announced++
			x.unlisted += now.Sub(w.announcedAt)
		}
		if w.busy || w.gone {
			continue
		}
		if value := x.listingValue(w, now) / float64(w.pages); value > most {
			best, most = w, value
		}
	}
	x.waiting += float64(announced)
	x.unlisted /= time.Duration(max(1, announced))
	return best, most
}

// listingValue returns the delay of starts that a listing of the worker removes.
func (x *Index) listingValue(w *indexed, now time.Time) float64 {
	rate, unlisted := w.startRate(), now.Sub(w.listedAt).Seconds()
	short, idle := x.short/w.gap.Seconds(), w.idle.Seconds()
	switch {
	case w.announced:
		return (atOnce + now.Sub(w.announcedAt)).Seconds()
	case now.Sub(w.listedAt) > longestUnlisted:
		return atOnce.Seconds()
	case len(w.open) > 0:
		x.waiting += chance(rate * unlisted)
		return worth(rate*unlisted+short*idle, rate, unlisted)
	}
	started := chance(rate * now.Sub(w.quietSince()).Seconds())
	x.waiting += started
	idle += now.Sub(w.idleFrom).Seconds()
	return started*viaStatus.Seconds() + worth(short*idle, short, unlisted)
}

// chance returns the probability that something has happened that was expected so many times.
func chance(expected float64) float64 {
	if expected < 0.01 {
		return expected // much faster, and near enough
	}
	return 1 - math.Exp(-expected)
}

// worth returns the delay that a request removes about something that happens at that rate now, so that as often it is expected
// to have happened within the seconds since the last request.
func worth(happened, rate, since float64) float64 {
	if since <= 0 || happened <= 0 {
		return 0
	}
	return happened * happened / (2 * max(rate, happened/since)) // with a constant rate this is rate·since²/2
}

// bestJob returns the job that is most worth a listing.
func (x *Index) bestJob(now time.Time) (best *indexedJob, most float64) {
	all := x.finds.value(now) + 1
	for _, j := range x.jobOrder {
		n := x.expected(j, all, now)
		if value := n * (viaStatus + x.unlisted).Seconds() / float64(j.pages); n > float64(j.pages) && value > most {
			best, most = j, value
		}
	}
	return best, most
}

// expected returns how many starts a listing of the job finds: its share of those that are not known, but no more than there
// can be since it was asked.
func (x *Index) expected(j *indexedJob, all float64, now time.Time) float64 {
	waiting := x.waiting
	if !j.askedAt.IsZero() {
		waiting = min(waiting, x.starts*now.Sub(j.askedAt).Seconds())
	}
	return waiting * j.finds.value(now) / all * j.trust
}

// begin notes that the job is listed.
func (j *indexedJob) begin(now time.Time, x *Index) {
	j.expected = x.expected(j, x.finds.value(now)+1, now)
	j.askedAt, j.found = now, 0
}

// jobListed takes in a page of a job's sessions. What it shows of workers in a call is left out. Where
// the order is newest first, it is read on until there are sessions on a page that were known before.
func (x *Index) jobListed(c schedule.Call, a schedule.Answer, o schedule.Outcome, now time.Time) schedule.Outcome {
	j := x.jobs[c.Job]
	if o.Stage == schedule.Discarded {
		return o
	}
	free := make(map[diff.WorkerKey]bool)
	for _, s := range a.Sessions {
		if w := x.workers[s.WorkerKey]; w != nil && !w.busy && !free[s.WorkerKey] {
			free[s.WorkerKey] = true
			o.Workers = append(o.Workers, s.WorkerKey)
		}
	}
	old := pageSize - len(a.Sessions)
	for _, s := range a.Sessions {
		if known := x.sessions[s.SessionID]; known != nil && known.foundAt.Before(j.askedAt) {
			old++
		}
	}
	found := x.take(a, free)
	for _, key := range o.Workers {
		x.workers[key].busy = true
	}
	j.found += found
	if c.Page == 1 {
		j.newestFirst = a.NewestFirst
	}
	if a.Next != "" && (!j.newestFirst || old < pageSize/10) {
		o.Stage = schedule.UnderWay
		c.Page, c.Token = c.Page+1, a.Next
		x.pages = append(x.pages, c)
		return o
	}
	if j.pages = c.Page; j.newestFirst {
		j.pages = 1
	}
	if a.Next != "" {
		o.Stage = schedule.Stopped
	}
	j.trust = min(1, max(.02, j.trust*(float64(j.found)+.5)/(j.expected+.5)))
	return o
}
