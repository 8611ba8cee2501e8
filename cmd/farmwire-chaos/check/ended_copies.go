package check

import "fmt"

// readEnded takes a record of .ended.
func (c *checker) readEnded(r record) {
	c.report.Counts.Ended++
	c.checkPartition(r, r.key)
	s := c.sessions[r.key]
	if s == nil {
		c.anomaly(EndedDiffers, r.key, r.value, "there was no such session")
		return
	}
	s.ended = append(s.ended, digestOf(r.key, r.headers, r.value))
}

// checkEnded compares .ended with the ended events that are no snapshots.
func (c *checker) checkEnded(s *session) {
	copies := s.ended
	for i := range s.events {
		e := &s.events[i]
		if e.change != "ended" || e.snapshot {
			continue
		}
		switch {
		case len(copies) == 0:
			c.anomaly(EndedDiffers, s.id, "no copy", e.String())
			continue
		case copies[0] != e.digest:
			c.anomaly(EndedDiffers, s.id, "a copy that differs", e.String())
		default:
			c.report.Counts.EndedCopies++
		}
		copies = copies[1:]
	}
	if len(copies) > 0 && !s.doubtful {
		c.anomaly(EndedDiffers, s.id, fmt.Sprintf("%d copies too many", len(copies)), "one copy of each ended event that is no snapshot")
	}
}
