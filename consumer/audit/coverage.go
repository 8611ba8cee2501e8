package audit

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/coverage"
	"farmwire/event"
)

// shardCoverage checks a partition of the coverage topic, which is a shard. It is for one goroutine.
type shardCoverage struct {
	audit    *audit
	shard    int
	at       where // of the record that is read
	trimmed  bool  // the oldest records of the partition were deleted
	digester event.Digester
	headers  []event.Header
	signed   *signatures

	chain   event.Chain
	known   bool   // whether the head of chain is known
	begun   bool   // a record was read
	begin   uint64 // the number of records before the first
	records uint64
	marks   []mark // what the chain must be at some sizes, by size
	events  []mark // what the chain of the events must be, by the heartbeats
	newest  *event.Coverage
	gaps    gaps
}

func (a *audit) newShardCoverage(shard int, trimmed bool) *shardCoverage {
	c := &shardCoverage{
		audit: a, shard: shard, at: where{a.config.Consumer.CoverageTopic(), int32(shard), 0}, trimmed: trimmed, known: true,
		signed: newSignatures(a.config, a.found), gaps: newGaps(),
	}
	if state := a.states[shard].coverage; state != nil {
		c.marks = append(c.marks, mark{Chain: state.Log, from: fromState})
	}
	for _, anchor := range a.anchorsOf(shard) {
		c.marks = append(c.marks, mark{Chain: anchor.Coverage, from: fromAnchor})
		c.events = append(c.events, mark{Chain: anchor.Log, from: fromAnchor})
	}
	slices.SortStableFunc(c.marks, func(a, b mark) int { return cmp.Compare(a.Size, b.Size) })
	return c
}

// visit takes the next record.
func (c *shardCoverage) visit(k *kgo.Record) {
	c.records++
	c.at.offset = k.Offset
	r := convert(k, c.headers)
	c.headers = r.Headers
	digest := c.digester.Digest(r)
	record, err := event.DecodeCoverage(r.Key, r.Value, r.Headers)
	if err != nil {
		f := unreadable(c.at, nil, err)
		f.Shard = c.shard
		c.audit.found.add(f)
		c.add(digest) // if it is in its place, the numbers after it say so
		return
	}
	c.audit.checkTime(c.at, k, record.RecordedTime)
	if record.Shard != c.shard {
		c.found(WrongPartition, record.Number, "the record is of the shard %d", record.Shard)
		return
	}
	if record.StateTopic != c.audit.config.Consumer.StateTopic() {
		c.found(Malformed, record.Number, "the record is of the state topic %s", record.StateTopic)
	}
	if !c.inOrder(record.Number) {
		return
	}
	if record.Heartbeat != nil {
		c.heartbeat(&record)
	}
	if record.Gap != nil {
		c.gaps.add(c.shard, record.Gap)
	}
	c.add(digest)
}

// forget drops what points into the records, which are large.
func (c *shardCoverage) forget() { c.headers = nil }

// inOrder checks the number of a record, and reports whether it is one that may come next.
func (c *shardCoverage) inOrder(number uint64) bool {
	next := c.chain.Size + 1
	switch {
	case number < next:
		c.found(CoverageTwice, number, "the record of shard %d has the number %d, and the next should have %d", c.shard, number, next)
		return false
	case number == next:
	case !c.begun && c.trimmed:
		c.begin = number - 1
		c.skipTo(number - 1)
	case !c.begun:
		c.found(CoverageMissing, number, "the first coverage record of shard %d has the number %d: those before it were cut off, or the topic was recreated", c.shard, number)
		c.skipTo(number - 1)
	case number == next+1:
		c.found(CoverageMissing, next, "the coverage record %d of shard %d is missing", next, c.shard)
		c.skipTo(number - 1)
	default:
		c.found(CoverageMissing, next, "the coverage records %d to %d of shard %d are missing", next, number-1, c.shard)
		c.skipTo(number - 1)
	}
	c.begun = true
	return true
}

func (c *shardCoverage) skipTo(size uint64) { c.chain, c.known = event.Chain{Size: size}, false }

// add adds a record to the chain.
func (c *shardCoverage) add(digest [32]byte) {
	c.compareMarks()
	c.chain.Add(digest)
	c.begun = true
}

// compareMarks compares the chain with the marks of its size, and drops those.
func (c *shardCoverage) compareMarks() {
	for len(c.marks) > 0 && c.marks[0].Size <= c.chain.Size {
		m := c.marks[0]
		c.marks = c.marks[1:]
		switch {
		case m.Size < c.chain.Size || !c.known:
			if m.from == fromAnchor {
				c.found(AnchorDiffers, m.Size, "that the coverage records of shard %d extend the checkpoint that was kept elsewhere cannot be proven: not all of its %d records are there", c.shard, m.Size)
			}
		case m.Chain == c.chain:
		case m.from == fromAnchor:
			c.found(AnchorDiffers, m.Size, "the coverage records of shard %d do not extend the checkpoint that was kept elsewhere: the first %d give another head", c.shard, m.Size)
		default:
			c.found(CoverageDiffers, m.Size, "the state topic names another head for %d coverage records of shard %d than they give", m.Size, c.shard)
		}
	}
}

// heartbeat checks the chains that a heartbeat names, and its checkpoint. The heartbeat itself is not in the chain yet.
func (c *shardCoverage) heartbeat(h *event.Coverage) {
	if c.known && h.CoverageLog != c.chain {
		c.found(CoverageDiffers, h.Number, "a coverage record before the heartbeat %d of shard %d was changed, or the heartbeat was: the records give another head", h.Number, c.shard)
	}
	c.chain, c.known = h.CoverageLog, true
	if c.newest != nil && h.Log.Size < c.newest.Log.Size {
		c.found(ChainDiffers, h.Number, "the heartbeat %d of shard %d names %d events, and the heartbeat %d before it %d", h.Number, c.shard, h.Log.Size, c.newest.Number, c.newest.Log.Size)
	}
	if c.newest == nil || h.Log != c.newest.Log {
		c.events = append(c.events, mark{h.Log, fromHeartbeat, h.Number, h.Time.UnixMilli()})
	} else {
		last := &c.events[len(c.events)-1]
		last.number, last.at = h.Number, h.Time.UnixMilli()
	}
	c.signed.heartbeat(c.at, h)
	c.newest = h
}

// finish is called after the last record.
func (c *shardCoverage) finish() {
	c.signed.finish()
	c.compareMarks()
	for _, m := range c.marks {
		switch {
		case m.from == fromAnchor:
			c.missing(AnchorDiffers, m.Size, "the checkpoint that was kept elsewhere has %d coverage records of shard %d, and the topic has only %d: records were cut off, or the topic was recreated", m.Size, c.shard, c.chain.Size)
		case !c.begun:
			c.missing(Recreated, m.Size, "the shard %d has published %d coverage records, and the topic has none of them: it was recreated, or its records were deleted", c.shard, m.Size)
		default:
			c.missing(CoverageMissing, m.Size, "the state topic says that shard %d has published %d coverage records, and the last in the topic has the number %d", c.shard, m.Size, c.chain.Size)
		}
	}
	if c.begun && c.audit.states[c.shard].coverage == nil {
		c.missing(LogStateWrong, c.chain.Size, "the shard %d has %d coverage records, and the state topic does not say so", c.shard, c.chain.Size)
	}
}

// missing adds a finding that no record shows.
func (c *shardCoverage) missing(kind Kind, number uint64, format string, args ...any) {
	c.audit.found.add(about(kind, c.shard, int64(number), format, args...))
}

// found adds a finding about the record that is read.
func (c *shardCoverage) found(kind Kind, number uint64, format string, args ...any) {
	f := place(kind, c.at, format, args...)
	f.Shard, f.Index = c.shard, int64(number)
	c.audit.found.add(f)
}

// mostGaps is how many gaps a report holds of each shard.
const mostGaps = 50

// Gap is a period in which something could not be looked at.
type Gap struct {
	Shard int
	coverage.Gap
}

// Length returns how long the gap was, or 0 if it is open or its begin is not known.
func (g Gap) Length() time.Duration {
	if g.To.IsZero() || g.From.IsZero() {
		return 0
	}
	return g.To.Sub(g.From)
}

// longer compares gaps: open ones first, then the longest.
func longer(a, b Gap) int {
	if a.Closed != b.Closed {
		if b.Closed {
			return -1
		}
		return 1
	}
	if !a.Closed {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Number, b.Number))
	}
	return cmp.Or(cmp.Compare(b.Length(), a.Length()), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Number, b.Number))
}

// GapTotal sums up the gaps with a reason.
type GapTotal struct {
	Reason  coverage.Reason
	Gaps    uint64
	Open    uint64
	Time    time.Duration // of those that are closed
	Workers uint64        // of the reason deleted: how many workers
}

// gaps collects the gaps of a shard.
type gaps struct {
	open    map[uint64]Gap // by number
	longest []Gap          // that are closed
	totals  map[coverage.Reason]*GapTotal
}

func newGaps() gaps {
	return gaps{open: make(map[uint64]Gap), totals: make(map[coverage.Reason]*GapTotal)}
}

func (g *gaps) add(shard int, of *coverage.Gap) {
	gap := Gap{shard, *of}
	total := g.totals[of.Reason]
	if total == nil {
		total = &GapTotal{Reason: of.Reason}
		g.totals[of.Reason] = total
	}
	total.Workers += uint64(len(of.Workers))
	gap.Workers = nil
	if !of.Closed {
		g.open[of.Number] = gap
		return
	}
	delete(g.open, of.Number)
	total.Gaps++
	total.Time += gap.Length()
	g.longest = append(g.longest, gap)
	if len(g.longest) >= 2*mostGaps {
		g.cut()
	}
}

func (g *gaps) cut() {
	slices.SortFunc(g.longest, longer)
	g.longest = g.longest[:min(len(g.longest), mostGaps)]
}

// into adds the gaps to a report.
func (g *gaps) into(r *Report, totals map[coverage.Reason]*GapTotal) {
	g.cut()
	r.Gaps = append(r.Gaps, g.longest...)
	open := slices.SortedFunc(maps.Values(g.open), longer)
	r.Gaps = append(r.Gaps, open[:min(len(open), mostGaps)]...)
	for _, gap := range open {
		g.totals[gap.Reason].Open++
		g.totals[gap.Reason].Gaps++
	}
	for reason, of := range g.totals {
		if totals[reason] == nil {
			totals[reason] = &GapTotal{Reason: reason}
		}
		to := totals[reason]
		to.Gaps += of.Gaps
		to.Open += of.Open
		to.Time += of.Time
		to.Workers += of.Workers
	}
}
