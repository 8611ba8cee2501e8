package diff

import (
	"cmp"
	"slices"
	"time"
)

// ForgetAfter is the least time between two complete listings that lack a remembered session, for the session to
// be forgotten. It is counted by the service's clock.
const ForgetAfter = 24 * time.Hour

// markInterval is the least time between two listings that mark sessions of one worker as absent. Sessions that
// leave the listing in between wait, because each new mark has to be stored.
const markInterval = 6 * time.Hour

// What the Absences of one worker may hold, because they are one record. Further sessions wait, unless all are absent.
const (
	maxAbsent      = 10_000  // ids
	maxAbsentBytes = 500_000 // of ids, with a few bytes more for each
)

// Absences says which remembered sessions of a worker its listings lack, and since when. They are stored, so that
// the evidence for forgetting sessions survives restarts.
type Absences struct {
	Worker WorkerKey
	Marks  []AbsenceMark // by Since; without marks no remembered session is absent
}

// AbsenceMark is a complete listing that lacked remembered sessions for the first time.
type AbsenceMark struct {
	Since    time.Time // the Date of the listing, rounded up to a second, by the service's clock
	Sessions []string  // the ids of the sessions; nil for all remembered sessions of the worker
}

// saysAbsent reports whether remembered sessions that the observation does not show are absent. A Date before the watch began
// is wrong, so it says nothing.
func (c *comparison) saysAbsent() bool {
	return c.o.Source != Answers && !c.o.Date.IsZero() && !c.o.Date.Before(c.old.watch.Since)
}

// marksAbsences reports whether remembered sessions that the observation lacks are to be marked. Of a worker that
// does not exist they are marked together when none of its sessions is open any more.
func (c *comparison) marksAbsences() bool {
	m := &c.old.memory
	return !(c.o.Source == NoSuchWorker && len(c.old.open) > 0) && (m.marked == 0 || c.o.Date.Sub(m.since(m.marked)) >= markInterval)
}

// since returns the time of a mark of a session that is absent.
func (m *memory) since(k mark) time.Time {
	return m.base.Add(time.Duration(k&markSince-1) * time.Second)
}

// markSpan is the longest time from the base of which a mark can tell, about 17 years.
const markSpan = 1 << 29 * time.Second

// markOf returns the mark of a session that is absent since then, which is at most markSpan after the base. A time before the
// base counts as the base.
func (m *memory) markOf(since time.Time) mark {
	return 1 + mark(max(0, (since.Sub(m.base)+time.Second-1)/time.Second))
}

// rebase makes sure that a mark can tell of this time. If the base is too long ago, all marks are removed and have to begin
// anew.
func (m *memory) rebase(date time.Time) {
	if !m.base.IsZero() && date.Sub(m.base) < markSpan {
		return
	}
	m.base, m.marked = roundUp(date, time.Second), 0
	for place := range m.len() {
		*m.markAt(place) &^= markSince
	}
}

// forgettable reports whether an absent session may be forgotten after another complete listing that lacks it, which
// has the given Date.
func (m *memory) forgettable(place int, date time.Time) bool {
	return date.Sub(m.since(m.mark(place))) >= ForgetAfter
}

// allAbsent reports whether there are remembered sessions and all have been absent since the same listing.
func (m *memory) allAbsent() bool {
	for place := range m.len() {
		if k := m.mark(place); !k.absent() || k&markSince != m.mark(0)&markSince {
			return false
		}
	}
	return m.len() > 0
}

// limitMarks removes marks, the newest first, until the Absences are not too large.
func (m *memory) limitMarks() {
	if m.allAbsent() {
		return
	}
	var newest mark
	for place := range m.len() {
		newest = max(newest, m.mark(place)&markSince)
	}
	count, bytes := 0, 0
	for _, isNewest := range []bool{false, true} {
		for place := range m.len() {
			k := m.markAt(place)
			if !k.absent() || (*k&markSince == newest) != isNewest {
				continue
			}
			count++
			if bytes += m.idLength(place) + len(`"",`); count > maxAbsent || bytes > maxAbsentBytes {
				*k &^= markSince
			}
		}
	}
}

// absences returns the marks of all absent sessions.
func (m *memory) absences() []AbsenceMark {
	if m.allAbsent() {
		return []AbsenceMark{{Since: m.since(m.mark(0))}}
	}
	index := map[mark]int{}
	var marks []AbsenceMark
	for place := range m.len() {
		k := m.mark(place) & markSince
		if k == 0 {
			continue
		}
		i, ok := index[k]
		if !ok {
			i = len(marks)
			index[k], marks = i, append(marks, AbsenceMark{Since: m.since(k)})
		}
		marks[i].Sessions = append(marks[i].Sessions, m.id(place))
	}
	slices.SortFunc(marks, func(a, b AbsenceMark) int { return a.Since.Compare(b.Since) })
	return marks
}

// restoreAbsences marks the sessions that are remembered. Ids of other sessions are ignored. Of several marks of
// one session the newest counts.
func (m *memory) restoreAbsences(marks []AbsenceMark) {
	if len(marks) == 0 {
		return
	}
	bySince := func(a, b AbsenceMark) int { return a.Since.Compare(b.Since) }
	m.base = slices.MinFunc(marks, bySince).Since
	if first := slices.MaxFunc(marks, bySince).Since.Add(-markSpan); m.base.Before(first) {
		m.base = first
	}
	for _, a := range marks {
		k := m.markOf(a.Since)
		m.marked = max(m.marked, k)
		renew := func(old mark) mark { return old&^markSince | max(old&markSince, k) }
		if a.Sessions != nil {
			m.remark(a.Sessions, renew)
			continue
		}
		for place := range m.len() {
			at := m.markAt(place)
			*at = renew(*at)
		}
	}
}

// ForgetDue returns from when on a complete listing that lacks remembered sessions lets some of them be forgotten, by the
// service's clock. It is zero if none is marked as absent.
func (s Snapshot) ForgetDue() time.Time {
	m := &s.memory
	var first mark
	for place := range m.len() {
		if k := m.mark(place) & markSince; k != 0 && (first == 0 || k < first) {
			first = k
		}
	}
	if first == 0 {
		return time.Time{}
	}
	return m.since(first).Add(ForgetAfter)
}

// idLength returns the length of the id of the session at a place.
func (m *memory) idLength(place int) int {
	if place < len(m.packed) {
		return packedLength
	}
	return len(m.unpacked[place-len(m.packed)].id)
}

// byNewest orders records of one session by the number in their marks, the newest first.
func byNewest(a, b mark) int { return cmp.Compare(b&^markVanished, a&^markVanished) }
