package audit

import (
	"crypto/sha256"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
)

const (
	noShard      = -1 // stands for the shard of an event of a version that had no log
	unknownShard = -2 // stands for that of a record that has no index and cannot be read, although records with an index come before it
)

// copyKey identifies a record of the ended topic: a part of its digest, which is long enough that no two records have the same.
type copyKey [16]byte

func copyKeyOf(digest [sha256.Size]byte) copyKey { return copyKey(digest[:len(copyKey{})]) }

// copies are the records of a partition of the ended topic. They are read before the events, and then compared with them.
//
// The shards whose events are in one partition have transactions of their own. So the copies of a shard are in the order of its
// events, and those of several shards need not be.
type copies struct {
	audit    *audit
	at       where
	trimmed  bool // the oldest records of the partition were deleted
	digester event.Digester
	headers  []event.Header
	all      []endedRecord
	order    map[copyKey]int // the place in all of each
	places   map[int]places  // by shard, of those whose copies were compared
	wasLog   bool            // a record with an index was read
	scanner  *scanner        // nil until it is needed
	records  uint64
}

// places are indexes into copies.all: of the first copy of a shard that was compared, and the smallest that its next one may have.
type places struct{ first, next int }

// endedRecord is a record of the ended topic.
type endedRecord struct {
	offset   int64
	index    int64 // in the log of its shard; none if it has none
	shard    int32
	compared bool // it is the copy of an event that was read
}

func (a *audit) newCopies(partition int32, trimmed bool) *copies {
	return &copies{
		audit: a, at: where{a.config.Consumer.EndedTopic(), partition, 0}, trimmed: trimmed, order: make(map[copyKey]int), places: make(map[int]places),
	}
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
	one := endedRecord{offset: k.Offset, index: none, shard: noShard}
	if shard, index, ok := logPlace(r.Headers); ok {
		one.shard, one.index = int32(shard), int64(min(index, math.MaxInt64))
		c.wasLog = true
	} else if c.wasLog {
		one.shard = c.shardOf(r)
	}
	c.order[key] = len(c.all)
	c.all = append(c.all, one)
}

// shardOf returns the shard of a record without an index, or unknownShard if the record cannot be read.
func (c *copies) shardOf(r event.Record) int32 {
	if c.scanner == nil {
		c.scanner = newScanner(c.audit.seed)
	}
	var f fields
	if err := c.scanner.read(&f, r); err != nil {
		return unknownShard
	}
	return int32(c.audit.shardOf(f.worker))
}

// forget drops what points into the records, which are large.
func (c *copies) forget() { c.headers = nil }

// event takes the next event of the partition that the ended topic should have a copy of. isDue says that the copy was published
// before the ended topic was read. The shard is noShard for events of versions that had no log, whose order is not known.
func (c *copies) event(digest [sha256.Size]byte, shard int, isDue bool, at where, session []byte, id string) {
	n, there := c.order[copyKeyOf(digest)]
	of, begun := c.places[shard]
	switch {
	case !there && (!isDue || c.trimmed && !begun):
		return
	case !there:
		f := place(CopyMissing, at, "the ended topic has no copy of the event %s, or a copy that differs from it", id)
		f.Session = string(session)
		c.audit.found.add(f)
		return
	case n < of.next && shard != noShard:
		c.wrong(c.all[n].offset, "the copy of the event %s is not in the order of the events", id)
	}
	if !begun {
		of.first = n
	}
	of.next = max(of.next, n+1)
	c.places[shard] = of
	c.all[n].compared = true
}

// finish is called after the last event of a partition. Of each shard, first is the smallest index in the partition.
func (c *copies) finish(eventsTrimmed bool, first []int64) {
	for n, r := range c.all {
		if !r.compared && !(eventsTrimmed && c.mayBeTrimmed(n, first)) {
			c.wrong(r.offset, "the record is no copy of an event")
		}
	}
	c.order, c.all = nil, nil
}

// mayBeTrimmed reports whether the event of the n-th record may be one of those that were deleted because they were the oldest. Then
// its index is smaller than those that are left of its shard, and it comes before their copies. It has no index only if it is of a
// version that had no log.
func (c *copies) mayBeTrimmed(n int, first []int64) bool {
	r := &c.all[n]
	if of, begun := c.places[int(r.shard)]; begun && r.shard != noShard && n > of.first || r.shard == unknownShard {
		return false
	}
	return r.index == none || int(r.shard) < len(first) && (first[r.shard] == none || r.index < first[r.shard])
}

func (c *copies) wrong(offset int64, format string, args ...any) {
	c.audit.found.add(place(CopyWrong, where{c.at.topic, c.at.partition, offset}, format, args...))
}
