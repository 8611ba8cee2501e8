package schedule

import "time"

// Sweeps pay if a round of listings takes long. Where all workers can be listed within a heartbeat, the statuses tell nothing
// earlier, and workers are listed in turn.
//
// How soon starts are seen depends on the load: listings that starts need × pages of a listing ÷ requests a second. With a load of 1
// and more, the budget does not suffice for a listing for each start. Then the sweeps get less, because a listing shows more than
// one start, and of the workers on which something has begun those go first that were not listed for longest. In the simulation that
// is better than to list all workers in turn, in the mean, and fewer sessions of workers that are deleted are lost.

const (
	quickRound = 15 * time.Second // a round of listings that is so short is better than sweeps
	tightLoad  = 0.3              // from this load on, listings are not enough to show both the starts and the ends of sessions in time
	fullLoad   = 1.0              // from this load on, they are not enough to show each start
	keep       = 0.85             // a strategy is given up only when its limit is passed by so much
)

// chooseStrategy chooses how it is decided what is asked for next.
func (s *Schedule) chooseStrategy(now time.Time) {
	round := quickRound.Seconds()
	if s.strategy == RoundRobin {
		round /= keep
	}
	s.strategy = Sweeping
	if float64(s.watched)*s.pagesOfListing()/s.budget.share() < round {
		s.strategy = RoundRobin
	}
	s.isTight, s.isOverloaded = s.load(now) >= tightLoad, s.load(now) >= fullLoad
}

// isUrgentByStatus reports whether a new status of a worker makes its listing urgent at all. Where open sessions are not swept, a
// listing has to show the end of each session as well as its start. With a small budget, the listings that this would make
// urgent leave nothing for the others, and workers are listed in turn instead.
func (s *Schedule) isUrgentByStatus(w *worker) bool { return w.fleet.farm.isSwept || !s.isTight }

// load returns the part of the budget that a listing for each start takes, of the starts that only such a listing shows.
func (s *Schedule) load(now time.Time) float64 {
	return s.listedStarts.perSecond(now) * s.pagesOfListing() / s.budget.share()
}

// pagesOfListing returns the mean number of pages that a listing takes.
func (s *Schedule) pagesOfListing() float64 {
	return max(1, s.listingPages.value())
}
