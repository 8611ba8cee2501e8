package audit

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"farmwire/event"
)

// slabSize is how many digests are allocated at once. The events of a shard are spread over all partitions, and so they are not
// read in the order of their indexes.
const slabSize = 256

// slab holds the digests of the events with neighbouring indexes.
type slab struct {
	digests [slabSize][sha256.Size]byte
	has     [slabSize / 64]uint64 // a bit for each digest
}

// shardLog is the log of a shard, as far as it was read.
type shardLog struct {
	shard  int
	limit  uint64 // Farmwire cannot have written so many events
	first  uint64 // below this index events may be gone, because the oldest records of the topic were deleted
	stored uint64 // how many events the log had when the state topic was read
	marks  []mark // what the chain must be at some sizes, by size; several may have one size

	mu    sync.Mutex // guards what follows
	slabs map[uint64]*slab
	end   uint64 // one more than the largest index
	count uint64
}

// mark is a chain that the log must have had.
type mark struct {
	event.Chain
	from   source
	number uint64 // of the coverage record, if it is from a heartbeat
	at     int64  // the time of the heartbeat in milliseconds, if it is from one
}

// source is where a mark is from.
type source uint8

const (
	fromHeartbeat source = iota
	fromState
	fromAnchor
)

func (m mark) String() string {
	switch m.from {
	case fromState:
		return "the state topic"
	case fromAnchor:
		return "the checkpoint that was kept elsewhere"
	default:
		return fmt.Sprintf("the heartbeat %d", m.number)
	}
}

// put stores the digest of an event. It returns what is wrong with the index, or "".
func (l *shardLog) put(index uint64, digest [sha256.Size]byte) Kind {
	if index >= l.limit {
		return EventBeyond
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.slabs[index/slabSize]
	if s == nil {
		s = new(slab)
		l.slabs[index/slabSize] = s
	}
	at := index % slabSize
	if s.has[at/64]&(1<<(at%64)) != 0 {
		return IndexTwice
	}
	s.has[at/64] |= 1 << (at % 64)
	s.digests[at] = digest
	l.end = max(l.end, index+1)
	l.count++
	return ""
}

// digest returns the digest of an event, or nil if none was read.
func (l *shardLog) digest(index uint64) *[sha256.Size]byte {
	s, at := l.slabs[index/slabSize], index%slabSize
	if s == nil || s.has[at/64]&(1<<(at%64)) == 0 {
		return nil
	}
	return &s.digests[at]
}

// nextMissing returns the first index from a given one on, and below end, of which no event was read; or end.
func (l *shardLog) nextMissing(index, end uint64) uint64 { return l.next(index, end, true) }

// nextRead returns the first index from a given one on, and below end, of which an event was read; or end.
func (l *shardLog) nextRead(index, end uint64) uint64 { return l.next(index, end, false) }

func (l *shardLog) next(index, end uint64, missing bool) uint64 {
	for index < end {
		word := uint64(0)
		if s := l.slabs[index/slabSize]; s != nil {
			word = s.has[index%slabSize/64]
		}
		if missing {
			word = ^word
		}
		if word >>= index % 64; word != 0 {
			return min(end, index+uint64(bits.TrailingZeros64(word)))
		}
		index += 64 - index%64
	}
	return end
}

// due returns the size that the log must have: events below it were published before the events were read.
func (l *shardLog) due() uint64 {
	due := l.stored
	for _, m := range l.marks {
		if m.from != fromAnchor {
			due = max(due, m.Size)
		}
	}
	return due
}

// verified is a part of a log that is whole and unchanged.
type verified struct {
	from, to uint64
	until    int64 // the time of the newest heartbeat that agrees with it, in milliseconds; 0 if there is none
}

// verify finds the events that are missing, and compares the chain with the marks. Between two marks that agree with each other
// and with the events nothing was changed. After a mark that does not agree, verify goes on from that mark, so that it finds the
// next change too. It returns the newest part of the log in which nothing is wrong.
func (l *shardLog) verify(found *findings) verified {
	slices.SortStableFunc(l.marks, func(a, b mark) int { return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.from, b.from)) })
	due := l.due()
	begin := l.begin(due)
	l.findMissing(begin, due, found)
	v := verified{from: begin}
	var (
		chain    event.Chain
		known    = begin == 0 // whether chain is that of the log
		previous uint64       // the size of the mark before
	)
	for _, m := range l.marks {
		if m.Size < begin {
			if m.from == fromAnchor {
				l.compareAnchor(m, found)
			}
			continue
		}
		if m.Size > chain.Size || !known {
			known = known && l.advance(&chain, m.Size)
			if !known {
				if m.from == fromAnchor {
					l.compareAnchor(m, found)
				} else {
					chain, known = m.Chain, true
					v = verified{from: m.Size, to: m.Size, until: m.at}
				}
				previous = m.Size
				continue
			}
		}
		switch {
		case chain == m.Chain:
			v.to = m.Size
			v.until = max(v.until, m.at)
		case m.from == fromAnchor:
			found.add(about(AnchorDiffers, l.shard, int64(m.Size), "the log of shard %d does not extend the checkpoint that was kept elsewhere: its first %d events give another head", l.shard, m.Size))
		default:
			found.add(l.differs(previous, m))
			chain = m.Chain
			v = verified{from: m.Size, to: m.Size, until: m.at}
		}
		previous = m.Size
	}
	v.to = max(v.to, v.from)
	return v
}

// differs returns the finding that a mark does not agree with the events since the mark before, which has the size previous.
func (l *shardLog) differs(previous uint64, m mark) Finding {
	if previous == m.Size {
		return about(ChainDiffers, l.shard, int64(m.Size), "%s names another head for %d events of shard %d than the events give", m, m.Size, l.shard)
	}
	return about(ChainDiffers, l.shard, int64(m.Size), "an event of shard %d with an index from %d to %d was changed, or %s was: the events give another head", l.shard, previous, m.Size-1, m)
}

// begin returns the index from which on the log can be verified: 0, or what follows the last event that is gone because the
// oldest records of the topic were deleted.
func (l *shardLog) begin(due uint64) uint64 {
	begin := uint64(0)
	for limit := min(l.first, due); ; {
		missing := l.nextMissing(begin, limit)
		if missing >= limit {
			return begin
		}
		begin = l.nextRead(missing, due)
	}
}

// findMissing finds the ranges of indexes of which there is no event.
func (l *shardLog) findMissing(begin, due uint64, found *findings) {
	if begin == 0 && due > 0 && l.nextRead(0, due) == due {
		found.add(about(Recreated, l.shard, none, "the shard %d has published %d events, and the topic has none of them: the topic was recreated, or is another one", l.shard, due))
		return
	}
	for at := l.nextMissing(begin, due); at < due; {
		next := l.nextRead(at, due)
		if next == at+1 {
			found.add(about(EventMissing, l.shard, int64(at), "the event of shard %d with the index %d is missing", l.shard, at))
		} else {
			found.add(about(EventMissing, l.shard, int64(at), "the events of shard %d with the indexes %d to %d are missing", l.shard, at, next-1))
		}
		at = l.nextMissing(next, due)
	}
}

// advance adds the events up to a size to the chain. It reports false if one of them was not read.
func (l *shardLog) advance(chain *event.Chain, size uint64) bool {
	for chain.Size < size {
		digest := l.digest(chain.Size)
		if digest == nil {
			return false
		}
		chain.Add(*digest)
	}
	return true
}

// compareAnchor compares a checkpoint with the heartbeats that name the same size.
func (l *shardLog) compareAnchor(anchor mark, found *findings) {
	for _, m := range l.marks {
		if m.from == fromHeartbeat && m.Size == anchor.Size {
			if m.Head != anchor.Head {
				found.add(about(AnchorDiffers, l.shard, int64(m.Size), "the heartbeat %d of shard %d and the checkpoint that was kept elsewhere name different heads for %d events", m.number, l.shard, m.Size))
			}
			return
		}
	}
	if anchor.Size > l.due() {
		found.add(about(AnchorDiffers, l.shard, int64(anchor.Size), "the checkpoint that was kept elsewhere has %d events of shard %d, and the log has only %d: events were cut off, or the topic was recreated", anchor.Size, l.shard, l.due()))
		return
	}
	found.add(about(AnchorDiffers, l.shard, int64(anchor.Size), "that the log of shard %d extends the checkpoint that was kept elsewhere cannot be proven: not all of its first %d events are there", l.shard, anchor.Size))
}
