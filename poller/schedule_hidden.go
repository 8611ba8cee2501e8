package poller

import "time"

// nextSpare returns the due listing of a hidden worker that may begin, and from when on. Busy says whether anything else is
// due, and then hidden workers have to wait for their turn.
func (s *schedule) nextSpare(busy bool) (*place, time.Time) {
	if unsure := s.unsure.first(); unsure != nil && (!busy || s.sinceSpare >= unsureTurn-1) {
		return unsure, time.Time{}
	}
	if spare := s.spare.first(); spare != nil && (!busy || s.sinceSpare >= spareTurn-1) {
		return spare, s.spareAt
	}
	return nil, time.Time{}
}

func (s *schedule) beginSpare(w *scheduledWorker, now time.Time) call {
	if w.listingPlace.in == &s.spare {
		s.spareAt = now.Add(sparePause)
	}
	c := s.beginListing(w, now)
	s.sinceSpare = 0
	return c
}

// payPages takes in that a listing of a hidden worker had so many further pages.
func (s *schedule) payPages(pages int) {
	s.sinceSpare -= spareTurn * pages
	s.spareAt = s.spareAt.Add(time.Duration(pages) * sparePause)
}
