package diff

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// memory has the ended and vanished sessions of a worker. An id of the documented form (session- and 32
// hexadecimal digits) is packed into 16 bytes, any other is kept as text. A place is an index into packed and
// unpacked as if they were one slice.
type memory struct {
	base     time.Time  // marks count from here, by the service's clock, for markSpan; zero if no session was absent yet
	marked   mark       // when a listing last marked sessions as absent, like the lower bits of a mark
	packed   []packed   // by id
	unpacked []unpacked // by id
}

// packed is one remembered session. It has 24 bytes.
type packed struct {
	id   packedID
	mark mark
}

// unpacked is a remembered session whose id has another form.
type unpacked struct {
	id   string
	mark mark
}

// mark is what is known of a remembered session besides its id: two bits, and in the lower 30 bits from when on
// complete listings lack it. These are 0 if no listing lacked it since it was last seen. Otherwise they are 1
// plus the seconds from memory.base to the Date of the first listing that lacked it, rounded up.
type mark uint32

const (
	markVanished   mark = 1 << 31 // it has vanished, not ended
	markReappeared mark = 1 << 30 // it was seen again after that, and this was reported
	markSince      mark = 1<<30 - 1
)

func (m mark) vanished() bool   { return m&markVanished != 0 }
func (m mark) reappeared() bool { return m&markReappeared != 0 }
func (m mark) absent() bool     { return m&markSince != 0 }

func (m *memory) len() int { return len(m.packed) + len(m.unpacked) }

func (m *memory) mark(place int) mark { return *m.markAt(place) }

func (m *memory) markAt(place int) *mark {
	if place < len(m.packed) {
		return &m.packed[place].mark
	}
	return &m.unpacked[place-len(m.packed)].mark
}

func (m *memory) id(place int) string {
	if place < len(m.packed) {
		return m.packed[place].id.String()
	}
	return m.unpacked[place-len(m.packed)].id
}

// find returns the place of a session, if it is remembered.
func (m *memory) find(sessionID string) (place int, ok bool) {
	if m.len() == 0 {
		return 0, false
	}
	if id, ok := pack(sessionID); ok {
		return findPacked(m.packed, id)
	}
	place, ok = slices.BinarySearchFunc(m.unpacked, sessionID, func(n unpacked, id string) int {
		return strings.Compare(n.id, id)
	})
	return len(m.packed) + place, ok
}

// with returns the memory after the changes of an observation with this Date, and whether other sessions are absent
// than before. The old memory is not changed. It returns nil if nothing changes.
func (m *memory) with(c *Changes, date time.Time) (next *memory, marksDiffer bool) {
	added := closed(c.Events)
	if added.len() == 0 && len(c.Forgotten)+len(c.Reappeared)+len(c.absent)+len(c.present) == 0 {
		return nil, false
	}
	next = m.clone(added.len())
	if len(c.absent) > 0 {
		next.rebase(date)
		since := next.markOf(date)
		next.marked = max(next.marked, since)
		next.remark(c.absent, func(m mark) mark { return m&^markSince | since })
	}
	next.remark(c.present, func(m mark) mark { return m &^ markSince })
	next.remark(c.Reappeared, func(m mark) mark { return m | markReappeared })
	next.drop(c.Forgotten)
	next.add(added)
	if len(c.Forgotten)+len(c.absent)+len(c.present) == 0 && (added.len() == 0 || !m.allAbsent()) {
		return next, false
	}
	next.limitMarks()
	return next, true
}

// remark changes the marks of the sessions that are remembered.
func (m *memory) remark(sessionIDs []string, change func(mark) mark) {
	for _, id := range sessionIDs {
		if place, ok := m.find(id); ok {
			at := m.markAt(place)
			*at = change(*at)
		}
	}
}

// drop removes the sessions that are remembered.
func (m *memory) drop(sessionIDs []string) {
	if len(sessionIDs) == 0 {
		return
	}
	const dropped = ^mark(0)
	m.remark(sessionIDs, func(mark) mark { return dropped })
	m.packed = slices.DeleteFunc(m.packed, func(p packed) bool { return p.mark == dropped })
	m.unpacked = slices.DeleteFunc(m.unpacked, func(n unpacked) bool { return n.mark == dropped })
}

// add adds the sessions that are not remembered yet.
func (m *memory) add(a memory) {
	if a.len() == 0 {
		return
	}
	m.packed = append(m.packed, a.packed...)
	slices.SortStableFunc(m.packed, func(a, b packed) int { return a.id.compare(b.id) })
	m.unpacked = append(m.unpacked, a.unpacked...)
	slices.SortStableFunc(m.unpacked, func(a, b unpacked) int { return strings.Compare(a.id, b.id) })
	m.compact()
}

// compact keeps the first of the entries with the same id. Both slices are sorted.
func (m *memory) compact() {
	m.packed = slices.CompactFunc(m.packed, func(a, b packed) bool { return a.id == b.id })
	m.unpacked = slices.CompactFunc(m.unpacked, func(a, b unpacked) bool { return a.id == b.id })
}

// clone returns a copy with room for exactly so many more packed sessions.
func (m *memory) clone(more int) *memory {
	c := &memory{base: m.base, marked: m.marked}
	if n := len(m.packed); n+more > 0 {
		c.packed = append(make([]packed, 0, n+more), m.packed...)
	}
	c.unpacked = slices.Clone(m.unpacked)
	return c
}

// closed returns the sessions that ended or vanished, in the order of their events.
func closed(events []Change) memory {
	var m memory
	for i := range events {
		e := &events[i]
		if e.Kind == Vanished {
			m.push(e.Session.SessionID, markVanished)
		} else if e.Session.HasEnded() {
			m.push(e.Session.SessionID, 0)
		}
	}
	return m
}

// push appends a session. The caller keeps the order.
func (m *memory) push(sessionID string, k mark) {
	if id, ok := pack(sessionID); ok {
		m.packed = append(m.packed, packed{id: id, mark: k})
	} else {
		m.unpacked = append(m.unpacked, unpacked{id: sessionID, mark: k})
	}
}

// findPacked returns the index of a session or, if it is not there, the index at which it would be.
func findPacked(all []packed, id packedID) (int, bool) {
	low, high := 0, len(all)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if all[middle].id.compare(id) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(all) && all[low].id == id
}

const (
	packedPrefix = "session-"
	packedLength = len(packedPrefix) + 32
)

// packedID is a session id of the documented form, without its prefix.
type packedID struct{ high, low uint64 }

// pack packs a session id. It reports false if the id has another form.
func pack[T string | []byte](sessionID T) (id packedID, ok bool) {
	if len(sessionID) != packedLength || string(sessionID[:len(packedPrefix)]) != packedPrefix {
		return id, false
	}
	digits := sessionID[len(packedPrefix):]
	var all uint64
	for i := range 16 {
		high, low := nibble(digits[i]), nibble(digits[16+i])
		id.high, id.low = id.high<<4|high, id.low<<4|low
		all |= high | low
	}
	return id, all <= 15
}

// nibble returns the value of a lower-case hexadecimal digit, and 255 for anything else. Upper-case digits
// are not packed, because an id must be unpacked to the same text.
func nibble(digit byte) uint64 {
	switch {
	case digit-'0' <= 9:
		return uint64(digit - '0')
	case digit-'a' <= 5:
		return uint64(digit-'a') + 10
	}
	return 255
}

func (id packedID) String() string {
	text := append(make([]byte, 0, packedLength), packedPrefix...)
	for shift := 60; shift >= 0; shift -= 4 {
		text = append(text, "0123456789abcdef"[id.high>>shift&15])
	}
	for shift := 60; shift >= 0; shift -= 4 {
		text = append(text, "0123456789abcdef"[id.low>>shift&15])
	}
	return string(text)
}

// compare orders ids as their texts are ordered.
func (id packedID) compare(other packedID) int {
	if id.high != other.high {
		return cmp.Compare(id.high, other.high)
	}
	return cmp.Compare(id.low, other.low)
}

// bits is a set of places in a memory.
type bits []uint64

// newBits returns an empty set for places below n. If they fit into small, it uses small, which must be zero, and
// allocates nothing.
func newBits(small []uint64, n int) bits {
	if words := (n + 63) / 64; words > len(small) {
		return make(bits, words)
	}
	return bits(small)
}

func (b bits) add(place int)      { b[place/64] |= 1 << (place % 64) }
func (b bits) has(place int) bool { return b[place/64]&(1<<(place%64)) != 0 }
