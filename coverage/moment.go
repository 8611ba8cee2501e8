package coverage

import "time"

// moment is a time by the service's clock in nanoseconds since 1970. A Tracker keeps a few for each worker and session, and a
// moment is a third of a time.Time. Zero is never.
type moment int64

func momentOf(t time.Time) moment {
	if t.IsZero() {
		return 0
	}
	return moment(t.UnixNano())
}

func (m moment) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(m)).UTC()
}

func (m moment) add(d time.Duration) moment { return m + moment(d) }

func (m moment) since(earlier moment) time.Duration { return time.Duration(m - earlier) }

// near reports whether two moments are not further apart than d.
func (m moment) near(other moment, d time.Duration) bool {
	return max(m, other).since(min(m, other)) <= d
}

// momentsOf returns the moments of a watermark.
func momentsOf(w Watermark) Kinds[moment] {
	return Kinds[moment]{momentOf(w.Changes), momentOf(w.Announced), momentOf(w.Starts)}
}

// kind is one of the three kinds of looks, so that a loop can go over them.
type kind int

const (
	changes kind = iota
	announced
	starts
	kinds
)

// of returns where a value of Kinds keeps that of the kind.
func of[T any](k *Kinds[T], which kind) *T {
	switch which {
	case changes:
		return &k.Changes
	case announced:
		return &k.Announced
	}
	return &k.Starts
}
