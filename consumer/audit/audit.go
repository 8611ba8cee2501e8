package audit

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/coverage"
	"farmwire/event"
)

// Config says what to check.
type Config struct {
	Consumer consumer.Config

	// Keys are the public keys of which one must have signed each checkpoint. Without a key no signature is verified.
	Keys []note.Verifier

	// EverySignature says to verify all signatures, and not only those that the others depend on.
	EverySignature bool

	// Anchors are checkpoints that were kept outside of the cluster. The logs must extend them.
	Anchors []event.Checkpoint

	// Progress is called now and then, if it is not nil, with how many offsets were read, and how many there are.
	Progress func(read, total int64)
}

// The kinds of problems for which topics cannot be read or compared. They go with a [cluster.Error].
const (
	AnchorForeign    cluster.Kind = "anchor of other topics"
	PartitionsDiffer cluster.Kind = "partitions differ between topics"
	RecordsGone      cluster.Kind = "records gone during the audit"
)

// Report is what an audit found, and what the coverage records say.
type Report struct {
	Findings []Finding       // the gravest first; at most 100 of a kind
	Counts   map[Kind]uint64 // how many there are of each kind

	Events   uint64 // records of the events topic
	Unlogged uint64 // those of them that are of a version that had no log; nothing shows that they were not changed
	Sessions uint64
	Ended    uint64 // records of the ended topic
	States   uint64 // records of the state topic
	Coverage uint64 // records of the coverage topic
	Notes    uint64 // checkpoints in them
	Verified uint64 // whose signatures were verified

	Shards []Shard
	Gaps   []Gap // that are open, and the longest of the others: at most 50 of a shard
	Totals []GapTotal
}

// Clean reports whether nothing is wrong.
func (r *Report) Clean() bool { return len(r.Findings) == 0 }

// Shard is what an audit says of a shard.
type Shard struct {
	Number int
	Events uint64 // that its log had when the audit began

	// The events with an index from VerifiedFrom to before VerifiedTo are all there and were not changed: they agree with the
	// heartbeats, and with the state topic. VerifiedFrom is 0 unless older events were deleted, or something is wrong.
	VerifiedFrom, VerifiedTo uint64
	VerifiedUntil            time.Time // of the newest heartbeat that agrees with them; zero if none does

	Coverage  uint64          // number of the newest coverage record
	Heartbeat *event.Coverage // the newest; nil if there is none
	Signed    bool            // its checkpoint has a valid signature of a known key
}

// audit is one run.
type audit struct {
	config Config
	seed   maphash.Seed
	found  *findings
	reader *reader

	// settles is how long it may take from the moment at which one partition shows a transaction until all do.
	settles time.Duration

	states   []*shardState
	coverage []*shardCoverage
	copies   []*copies
	logs     []*shardLog
	events   []*partitionEvents
}

// Run reads the topics and returns a report. The error is that they could not be read; then there is no report. A [*cluster.Error]
// is in it where the cause is known.
//
// While Farmwire publishes, the audit checks what was published before it began.
func Run(ctx context.Context, c Config) (*Report, error) {
	r, err := openReader(ctx, c.Consumer)
	if err != nil {
		return nil, err
	}
	defer r.close()
	const settles = 10 * time.Second
	a := &audit{config: c, seed: maphash.MakeSeed(), found: newFindings(), reader: r, settles: settles}
	return a.run(ctx)
}

func (a *audit) run(ctx context.Context) (*Report, error) {
	stop := a.reportProgress()
	defer stop()
	if err := a.read(ctx); err != nil {
		return nil, endedBy(ctx, err)
	}
	return a.report(), nil
}

// reportProgress calls Config.Progress until stop is called.
func (a *audit) reportProgress() (stop func()) {
	if a.config.Progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var reporting sync.WaitGroup
	reporting.Go(func() {
		const every = 200 * time.Millisecond
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				a.config.Progress(a.reader.done.Load(), a.reader.total.Load())
			}
		}
	})
	return func() { close(done); reporting.Wait() }
}

// read reads the topics. First it asks for the ends of all topics, of the state topic first and of the events topic last, and then
// it reads each topic up to that end. What the state topic and the coverage topic say was published before, so it must be in the
// topics whose ends were asked for later.
//
// The markers that end a transaction are not written to all partitions at the same time. So the end of the state topic is that of
// what is committed. In the other topics read also waits for the transactions that are open before the end.
func (a *audit) read(ctx context.Context) error {
	c := a.config.Consumer
	topics := a.reader.topics()
	if err := a.reader.exist(ctx, topics...); err != nil {
		return err
	}
	all := make(map[string][]span)
	for _, topic := range topics {
		upTo := written
		if topic == c.StateTopic() {
			upTo = committed
		}
		spans, err := a.reader.spans(ctx, topic, upTo)
		if err != nil {
			return err
		}
		all[topic] = spans
	}
	shards := len(all[c.StateTopic()])
	for _, topic := range topics {
		if n := len(all[topic]); n != shards {
			return &cluster.Error{Kind: PartitionsDiffer, Text: fmt.Sprintf("%s has %d partitions and %s has %d, and they must have as many", topic, n, c.StateTopic(), shards)}
		}
	}
	for _, anchor := range a.config.Anchors {
		switch n, ok := a.shardOfAnchor(anchor); {
		case !ok:
			return &cluster.Error{Kind: AnchorForeign, Text: fmt.Sprintf("the checkpoint is of %.100q, and not of %s", anchor.Origin, c.StateTopic())}
		case n >= shards:
			a.found.add(about(Recreated, n, none, "the checkpoint that was kept elsewhere is of the shard %d, and there are %d: the topics were recreated", n, shards))
		}
	}
	for _, step := range []func(context.Context, map[string][]span) error{a.readState, a.readCoverage, a.readEnded, a.readEvents, a.readNewState} {
		if err := step(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

func (a *audit) readState(ctx context.Context, all map[string][]span) error {
	topic := a.config.Consumer.StateTopic()
	a.states = make([]*shardState, len(all[topic]))
	for p := range a.states {
		a.states[p] = a.newShardState(int32(p))
	}
	return readTopic(ctx, a.reader, topic, all[topic], a.states)
}

func (a *audit) readCoverage(ctx context.Context, all map[string][]span) error {
	topic := a.config.Consumer.CoverageTopic()
	a.coverage = make([]*shardCoverage, len(all[topic]))
	for p, s := range all[topic] {
		a.coverage[p] = a.newShardCoverage(p, s.first > 0)
	}
	if err := readTopic(ctx, a.reader, topic, all[topic], a.coverage); err != nil {
		return err
	}
	for _, c := range a.coverage {
		c.finish()
	}
	return nil
}

func (a *audit) readEnded(ctx context.Context, all map[string][]span) error {
	topic := a.config.Consumer.EndedTopic()
	a.copies = make([]*copies, len(all[topic]))
	for p, s := range all[topic] {
		a.copies[p] = a.newCopies(int32(p), s.first > 0)
	}
	return readTopic(ctx, a.reader, topic, all[topic], a.copies)
}

func (a *audit) readEvents(ctx context.Context, all map[string][]span) error {
	topic := a.config.Consumer.EventsTopic()
	spans := all[topic]
	var written int64 // records, at most
	for _, s := range spans {
		written += s.end
	}
	a.logs = make([]*shardLog, len(spans))
	for shard := range a.logs {
		chain, _ := a.states[shard].chains()
		l := &shardLog{shard: shard, limit: uint64(written), stored: chain.Size, slabs: make(map[uint64]*slab), marks: a.coverage[shard].events}
		if a.states[shard].log != nil {
			l.marks = append(l.marks, mark{Chain: chain, from: fromState})
		} else {
			l.stored = l.due() // by the heartbeats
		}
		a.logs[shard] = l
	}
	a.events = make([]*partitionEvents, len(spans))
	for p, s := range spans {
		a.events[p] = a.newPartitionEvents(int32(p), s.first > 0)
	}
	if err := readTopic(ctx, a.reader, topic, spans, a.events); err != nil {
		return err
	}
	for p, of := range a.events {
		a.copies[p].finish(of.trimmed, of.first)
		if of.trimmed {
			a.trim(of)
		}
	}
	a.compareStates()
	return nil
}

// trim notes which events may be gone, because the oldest records of a partition were deleted: those of each shard before the first
// in that partition that is left.
func (a *audit) trim(p *partitionEvents) {
	for shard, l := range a.logs {
		if first := p.first[shard]; first != none {
			l.first = max(l.first, uint64(first))
		} else {
			l.first = max(l.first, l.due())
		}
	}
}

// readNewState reads what was written to the state topic meanwhile. The events, and the coverage records, that are newer than the
// stored chain must be in the chain that is stored now: a shard stores it in the transaction that publishes them.
func (a *audit) readNewState(ctx context.Context, all map[string][]span) error {
	topic := a.config.Consumer.StateTopic()
	spans := all[topic]
	for began := time.Now(); ; {
		behind := a.behind()
		if len(behind) == 0 {
			return nil
		}
		now, err := a.reader.spans(ctx, topic, committed)
		if err != nil {
			return err
		}
		for p := range now {
			now[p].first, spans[p].end = spans[p].end, max(spans[p].end, now[p].end)
		}
		if err := readTopic(ctx, a.reader, topic, now, a.states); err != nil {
			return err
		}
		if behind = a.behind(); len(behind) == 0 || time.Since(began) >= a.settles {
			for _, shard := range behind {
				a.beyond(shard)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fetchPause):
		}
	}
}

// behind returns the shards whose stored chain does not have all events or coverage records that were read.
func (a *audit) behind() (shards []int) {
	for shard, l := range a.logs {
		log, records := a.states[shard].chains()
		c := a.coverage[shard]
		if l.end > log.Size && a.states[shard].log != nil || c.chain.Size > records.Size && a.states[shard].coverage != nil {
			shards = append(shards, shard)
		}
	}
	return shards
}

// beyond finds the events and the coverage records that the stored chains do not have.
func (a *audit) beyond(shard int) {
	log, records := a.states[shard].chains()
	if end := a.logs[shard].end; end > log.Size {
		a.found.add(about(EventBeyond, shard, int64(log.Size), "the shard %d has an event with the index %d, and by the state topic it has published only %d events", shard, end-1, log.Size))
	}
	if size := a.coverage[shard].chain.Size; size > records.Size {
		a.found.add(about(CoverageTwice, shard, int64(size), "the shard %d has a coverage record with the number %d, and by the state topic it has published only %d", shard, size, records.Size))
	}
}

// report verifies the logs and returns the report.
func (a *audit) report() *Report {
	r := &Report{Shards: make([]Shard, len(a.logs))}
	var verifying sync.WaitGroup
	for shard, l := range a.logs {
		verifying.Go(func() { r.Shards[shard] = a.shard(shard, l.verify(a.found)) })
	}
	verifying.Wait()
	totals := make(map[coverage.Reason]*GapTotal)
	for shard := range a.logs {
		c := a.coverage[shard]
		r.States += a.states[shard].records
		r.Coverage += c.records
		r.Notes += c.signed.notes
		r.Verified += c.signed.verified
		r.Events += a.events[shard].events
		r.Unlogged += a.events[shard].unlogged
		r.Sessions += a.events[shard].sessions.len()
		r.Ended += a.copies[shard].records
		c.gaps.into(r, totals)
		if a.states[shard].log == nil && a.logs[shard].count > 0 {
			a.found.add(about(LogStateWrong, shard, none, "the shard %d has events with an index, and the state topic has no chain of them", shard))
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(totals)) {
		r.Totals = append(r.Totals, *totals[reason])
	}
	slices.SortFunc(r.Gaps, longer)
	r.Findings, r.Counts = a.found.sorted(), a.found.counts
	return r
}

func (a *audit) shard(shard int, v verified) Shard {
	c := a.coverage[shard]
	var until time.Time
	if v.until > 0 {
		until = time.UnixMilli(v.until).UTC()
	}
	return Shard{
		Number: shard, Events: a.logs[shard].due(), VerifiedFrom: v.from, VerifiedTo: v.to, VerifiedUntil: until, Coverage: c.chain.Size,
		Heartbeat: c.newest, Signed: c.signed.newest.valid,
	}
}

// shardOf returns the shard of a worker.
func (a *audit) shardOf(workerID []byte) int { return a.partitionOf(workerID) }

// partitionOf returns the partition of a key, as Java's default partitioner computes it.
func (a *audit) partitionOf(key []byte) int {
	return partitioner.Partition(&kgo.Record{Key: key}, len(a.states))
}

// partitioner computes murmur2. It keeps nothing.
var partitioner = kgo.StickyKeyPartitioner(nil).ForTopic("")

// checkPartition checks that a record is in the partition of its key.
func (a *audit) checkPartition(at where, key []byte) {
	if want := a.partitionOf(key); want != int(at.partition) {
		f := place(WrongPartition, at, "the record is in the partition %d, and its key belongs to the partition %d", at.partition, want)
		f.Session = string(key)
		a.found.add(f)
	}
}

// checkTime checks that the time of a record is that which its headers say. The hash chain does not include it.
func (a *audit) checkTime(at where, k *kgo.Record, recorded time.Time) {
	if k.Timestamp.UnixMilli() != recorded.UnixMilli() {
		f := place(Malformed, at, "the record has the time %s, and its header ce_recordedtime %s", k.Timestamp.UTC().Format(time.RFC3339Nano), recorded.UTC().Format(time.RFC3339Nano))
		f.Session = string(k.Key)
		a.found.add(f)
	}
}
