package schedule

import (
	"slices"
	"time"
)

// Every worker is listed again before its last listing is older than the staleness. If the budget is too small for that, of
// the workers that are due the one goes first that has waited longest. Waiting counts four times for those with open sessions.
// So an idle worker waits at most four times as long as one with open sessions.
//
// Fairness counts pages. Call a worker short if its listing has one page, and long if its listing has several. Short workers
// go before long ones, even before a long one that is new or has changed. So that long workers are listed, too, they share a
// credit, which is counted in pages. Every request adds the share of the long workers among all workers to the credit, and
// every page of a long worker takes one from it. While the credit is not negative, the next long worker goes first. When no
// short worker is due, a long worker may begin in any case, but only after short workers have been listed in time for a while.
//
// A listing of several pages is finished before another one is begun, because it is only worth something as a whole. Its
// pages take every second request as long as anything else is due. Another listing that may have several pages begins only
// if there was a request that no page could use, as when all pages are in flight.

const (
	activeWeight = 4 // how many times the waiting of a worker with open sessions counts

	// Workers with one page count more than others in the shares, because a listing that is under way takes more than
	// the share of its worker for some time. With equal weights, sixty workers with a hundred pages would slow a hundred
	// workers with one page down by more than a fifth.
	shortWeight = 1.5

	mostDebt = 300 // pages that the credit can be below zero

	late     = 500 * time.Millisecond // after its time, a listing is late
	calmPart = 0.35                   // of the time that a listing takes of the budget, none of one page must have been late before it begins

	hastyPages = 35 // of a listing take every second request, the others every third

	patientOthers = 9 // calls go before the next page of a patient listing

	patientPages = 100 // a listing that had more pages keeps no other from beginning
)

// length is how many pages the next listing of a worker probably has.
type length uint8

const (
	short   length = iota // one
	unknown               // it was never listed
	long                  // several
	lengthCount
)

func (w *worker) length() length {
	switch {
	case w.isShort():
		return short
	case w.lastPages > 1 || w.endlessListings > 0:
		return long
	case w.lastPages == 0:
		return unknown
	}
	return short
}

// weight is how much of the budget a worker should have, compared with others whose listings have as many pages.
func (s *Schedule) weight(w *worker) int {
	switch {
	case w.activity == dropped || w.isHidden() || w.answer == noSuchWorker:
		return 0
	}
	return s.regularWeight(w)
}

// regularWeight is the weight of a worker that is listed regularly. If its open sessions are not swept, listings of it are to
// show their ends, too.
func (s *Schedule) regularWeight(w *worker) int {
	if w.isActive() && !w.fleet.farm.isSwept && !s.isTight {
		return activeWeight
	}
	return 1
}

// weigh keeps the sum of the weights.
func (s *Schedule) weigh(w *worker) {
	s.weights[w.weighedAs] -= int(w.weighed)
	w.weighedAs, w.weighed = w.length(), uint8(s.weight(w))
	s.weights[w.weighedAs] += int(w.weighed)
	if isWatched := w.weighed > 0; isWatched != w.isWatched {
		w.isWatched = isWatched
		s.watched++
		if !isWatched {
			s.watched -= 2
		}
	}
}

// pay takes in that a page is asked for.
func (s *Schedule) pay(t *task) {
	several, one := float64(s.weights[long]), float64(s.weights[short]+s.weights[unknown])
	s.longCredit += several / max(1, several+shortWeight*one)
	if t.page > 1 || t.worker.length() == long {
		s.longCredit--
	}
	s.longCredit = max(-mostDebt, min(0, s.longCredit))
}

// noteLate notes whether a listing of one page begins late.
func (s *Schedule) noteLate(p *place, now time.Time) {
	if p.worker.length() == short && now.Sub(s.timeOf(p.key)) > late {
		s.lateAt = now
	}
}

// calm returns for how long no listing of one page must have been late before a listing of the worker takes what others leave.
func (s *Schedule) calm(w *worker) time.Duration {
	return time.Duration(calmPart * float64(w.lastPages) / s.budget.share() * float64(time.Second))
}

// mayBeginLong reports whether a listing may begin that may have several pages.
func (c *choice) mayBeginLong() bool { return c.s.unusedPageTurn || !c.s.isLongUnderWay() }

// isLongUnderWay reports whether a listing is under way that others wait for.
func (s *Schedule) isLongUnderWay() bool {
	return slices.ContainsFunc(s.listings, func(t *task) bool {
		return (t.page > 1 || t.worker.length() == long) && t.page <= patientPages && !t.patient
	})
}

// nextPage returns the listing whose next page goes first: the one that probably has the fewest pages left,
// of those that others wait for if there are any.
func (c *choice) nextPage() *task {
	var first *task
	for _, t := range c.s.listings {
		if t.inFlight || t.notBefore.After(c.now) {
			c.wait(t.notBefore)
			continue
		}
		if first == nil || first.patient && !t.patient || first.patient == t.patient && t.pagesLeft() < first.pagesLeft() {
			first = t
		}
	}
	if first == nil || !c.can(ListSessionsForWorker) {
		return nil
	}
	return first
}

// pagesLeft is a guess of how many pages the listing still has.
func (t *task) pagesLeft() int {
	if left := int(t.worker.lastPages) - t.page + 1; left > 0 {
		return left
	}
	return t.page // it has grown, or nothing is known; it may be half done
}

// others returns how many calls go before the next further page of a listing, after one of this listing: one, or two if it is
// so long that the others would wait too long, or more if nobody waits for it.
func (t *task) others() int {
	switch {
	case t.patient:
		return patientOthers
	case t.page > hastyPages:
		return 2
	}
	return 1
}
