package check

import (
	"fmt"
	"slices"
)

// checkOrder sorts the events of a session by their numbers, and names what is wrong with their order in the log.
func (c *checker) checkOrder(s *session) {
	for i := range s.events {
		e := &s.events[i]
		if i > 0 && e.partition == s.events[i-1].partition && e.sequence < s.events[i-1].sequence && !hasSequence(s.events[:i], e.sequence) {
			c.anomaly(WrongOrder, s.id, fmt.Sprintf("%d after %d", e.sequence, s.events[i-1].sequence), "numbers rise in the log")
		}
	}
	slices.SortStableFunc(s.events, func(a, b event) int { return int(a.sequence) - int(b.sequence) })
	kept := s.events[:0]
	for _, e := range s.events {
		if n := len(kept); n > 0 && kept[n-1].sequence == e.sequence {
			c.duplicate(s, kept[n-1], e)
			continue
		}
		want := uint64(1)
		if n := len(kept); n > 0 {
			want = kept[n-1].sequence + 1
		}
		if e.sequence != want {
			s.doubtful = true
			c.anomaly(Hole, s.id, e.String(), fmt.Sprintf("number %d comes next", want))
		}
		kept = append(kept, e)
	}
	s.events = kept
}

func hasSequence(events []event, sequence uint64) bool {
	return slices.ContainsFunc(events, func(e event) bool { return e.sequence == sequence })
}

// duplicate names a second record with one id: a copy, or a different event that should have been aborted.
func (c *checker) duplicate(s *session, first, second event) {
	s.doubtful = true
	kind := DuplicateID
	if first.change != second.change || first.state != second.state || first.previous != second.previous {
		kind = AbortedRead
	}
	c.anomaly(kind, s.id, fmt.Sprintf("%s at offset %d and %s at offset %d", &first, first.offset, &second, second.offset), "one id, one event")
}
