package audit

import (
	"crypto/sha256"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
)

// copyKey identifies a record of the ended topic: a part of its digest, which is long enough that no two records have the same.
type copyKey [16]byte

func copyKeyOf(digest [sha256.Size]byte) copyKey { return copyKey(digest[:len(copyKey{})]) }

// copies are the records of a partition of the ended topic. They are read before the events, and then compared with them in order.
type copies struct {
	audit    *audit
	at       where
	trimmed  bool // the oldest records of the partition were deleted
	digester event.Digester
	headers  []event.Header
	all      []copyKey
	offsets  []int64
	order    map[copyKey]int // the place in all of each
	records  uint64
	next     int  // the first copy in all that was not compared
	begun    bool // a copy was compared
}

func (a *audit) newCopies(partition int32, trimmed bool) *copies {
	return &copies{audit: a, at: where{a.config.Consumer.EndedTopic(), partition, 0}, trimmed: trimmed, order: make(map[copyKey]int)}
}

// visit takes the next record of the ended topic.
func (c *copies) visit(k *kgo.Record) {
	c.records++
	r := convert(k, c.headers)
	c.headers = r.Headers
	key := copyKeyOf(c.digester.Digest(r))
	c.at.offset = k.Offset
	if _, twice := c.order[key]; twice {
		c.wrong(k.Offset, "the ended topic has the record twice")
		return
	}
	c.order[key] = len(c.all)
	c.all = append(c.all, key)
	c.offsets = append(c.offsets, k.Offset)
}

// forget drops what points into the records, which are large.
func (c *copies) forget() { c.headers = nil }

// event takes the next event of the partition that the ended topic should have a copy of. isDue says that the copy was published
// before the ended topic was read, and eventsTrimmed that older events are gone.
func (c *copies) event(digest [sha256.Size]byte, isDue bool, at where, session []byte, id string, eventsTrimmed bool) {
	n, there := c.order[copyKeyOf(digest)]
	switch {
	case !there && (!isDue || c.trimmed && !c.begun):
	case !there:
		f := place(CopyMissing, at, "the ended topic has no copy of the event %s, or a copy that differs from it", id)
		f.Session = string(session)
		c.audit.found.add(f)
	case n < c.next:
		c.wrong(c.offsets[n], "the copy of the event %s is not in the order of the events", id)
	default:
		if c.begun || !eventsTrimmed {
			c.noCopies(n)
		}
		c.next, c.begun = n+1, true
	}
}

// noCopies finds the records before the n-th that were not compared.
func (c *copies) noCopies(n int) {
	for ; c.next < n; c.next++ {
		c.wrong(c.offsets[c.next], "the record is no copy of an event, or not in the order of the events")
	}
}

// finish is called after the last event.
func (c *copies) finish(eventsTrimmed bool) {
	if c.begun || !eventsTrimmed {
		c.noCopies(len(c.all))
	}
	c.order, c.all, c.offsets = nil, nil, nil
}

func (c *copies) wrong(offset int64, format string, args ...any) {
	c.audit.found.add(place(CopyWrong, where{c.at.topic, c.at.partition, offset}, format, args...))
}
