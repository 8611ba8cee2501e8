package farmwire

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
	"farmwire/publisher"
)

const (
	heartbeatInterval = time.Minute
	storeInterval     = 15 * time.Second // how often what a shard stores of its coverage is renewed
)

// coverages has the trackers of the shards that are followed. The poller tells it of every request, and the shards tell it of
// commits.
type coverages struct {
	mu       sync.Mutex
	trackers map[int]*coverage.Tracker // by shard
	failed   map[int]time.Time         // the shards that could not be followed any more, by when they last committed, by this host's clock
	ahead    time.Duration             // how far the service's clock is ahead of this host's, as of the last request
}

// now returns the current time by the service's clock. The caller must hold the lock.
func (c *coverages) now() time.Time { return time.Now().Add(c.ahead) }

// Sent is called by the poller before it sends a request.
func (c *coverages) Sent(r poller.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = time.Until(r.At)
	request := requestOf(r)
	for _, t := range c.trackers {
		t.Sent(request)
	}
}

// Answered is called by the poller when a request has ended.
func (c *coverages) Answered(a poller.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := answerOf(a)
	for _, t := range c.trackers {
		t.Answered(answer, c.now())
	}
}

// ages returns how old the oldest watermark of each kind is, and which kinds are known of every shard that is followed.
func (c *coverages) ages() (ages coverage.Kinds[time.Duration], known coverage.Kinds[bool]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := len(c.trackers) > 0
	known = coverage.Kinds[bool]{Changes: some, Announced: some, Starts: some}
	for _, t := range c.trackers {
		age, has := t.Age(c.now())
		ages.Changes, known.Changes = max(ages.Changes, age.Changes), known.Changes && has.Changes
		ages.Announced, known.Announced = max(ages.Announced, age.Announced), known.Announced && has.Announced
		ages.Starts, known.Starts = max(ages.Starts, age.Starts), known.Starts && has.Starts
	}
	return ages, known
}

// noteFailed notes that a shard cannot be followed any more, and when it last committed.
func (c *coverages) noteFailed(shard int, committed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = make(map[int]time.Time)
	}
	c.failed[shard] = committed
}

// noteRevoked notes that a shard is not assigned to this instance any more.
func (c *coverages) noteRevoked(shard int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failed, shard)
}

// shardCoverage is the coverage of a shard that is followed. It is used by the goroutine that follows the shard.
type shardCoverage struct {
	of     *coverages
	shard  int
	config coverage.Config
	state  coverage.State // as it was last published, or restored
	stored time.Time      // when it was published
	beat   time.Time      // when the last heartbeat was published
	from   time.Time      // when this instance last committed something of the shard before it began to follow it; else when it began
	paused bool           // there is no tracker, because the answers are of another account
}

// begin begins the coverage of a shard with what was restored of it.
func (c *coverages) begin(shard int, config coverage.Config, stored *coverage.State, snapshots []diff.Snapshot) *shardCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &shardCoverage{of: c, shard: shard, config: config}
	if stored != nil {
		s.state = *stored
	}
	if c.trackers == nil {
		c.trackers = make(map[int]*coverage.Tracker)
	}
	t := coverage.NewTracker(config, stored, snapshots, c.now())
	c.trackers[shard] = t
	s.from = time.Now()
	if committed, failed := c.failed[shard]; failed {
		s.from = committed
		t.NotCommitted(committed.Add(c.ahead), c.now())
		delete(c.failed, shard)
	}
	return s
}

// end ends the coverage of the shard.
func (s *shardCoverage) end() {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	delete(s.of.trackers, s.shard)
}

// committed takes in that an observation was committed. The snapshot is that after it.
func (s *shardCoverage) committed(o diff.Observation, after diff.Snapshot) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if t := s.of.trackers[s.shard]; t != nil {
		t.Committed(o, after, s.of.now())
	}
}

// committedElsewhere takes in that an observation of another worker has shown sessions of the snapshot's worker.
func (s *shardCoverage) committedElsewhere(o diff.Observation, after diff.Snapshot) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if t := s.of.trackers[s.shard]; t != nil {
		t.CommittedElsewhere(o, after)
	}
}

// isDue reports whether coverage records wait to be published.
func (s *shardCoverage) isDue() bool {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	t := s.of.trackers[s.shard]
	return t != nil && (time.Since(s.beat) >= heartbeatInterval || t.IsDue(s.of.now()))
}

// take returns the coverage records that are due, and what is to be stored with them.
func (s *shardCoverage) take() (records []coverage.Record, state coverage.State, now time.Time) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	now = s.of.now()
	t := s.of.trackers[s.shard]
	if t == nil {
		return nil, s.state, now
	}
	records, state = t.Take(now, time.Since(s.beat) >= heartbeatInterval)
	return records, state, now
}

// pause removes the tracker while Deadline Cloud answers for another account, because such answers say nothing about the shard.
// As soon as the right account answers again, a new tracker goes on from what was last published, and there is a gap.
func (s *shardCoverage) pause(other bool, snapshots func() []diff.Snapshot) {
	if s.paused == other {
		return
	}
	s.paused = other
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if other {
		delete(s.of.trackers, s.shard)
		return
	}
	config := s.config
	config.Absence = coverage.Credentials
	s.of.trackers[s.shard] = coverage.NewTracker(config, &s.state, snapshots(), s.of.now())
}

// publishCoverage publishes what is due besides changes: the watch if it has changed, coverage records, and what the shard
// stores of its coverage. It returns the watch as it is published.
func (l *loop) publishCoverage(ctx context.Context, to shardWriter, watch event.WatchRecord, changed bool, covered *shardCoverage) (event.WatchRecord, error) {
	told, watches := l.tellWatches(watch)
	records, leaderless := covered.isDue() || len(watches) > 0, false
	if records {
		missing, err := to.CoverageWithoutLeader(ctx)
		if err != nil {
			return watch, err
		}
		leaderless = missing != "" // The records wait, and changes do not.
		records = !leaderless
	}
	if isOld := time.Since(covered.stored) >= storeInterval; !changed && !records && !isOld {
		return watch, nil
	}
	c := publisher.Coverage{State: covered.state}
	if !leaderless {
		c.Records, c.State, c.Time = covered.take()
	}
	if isOtherAccount(watch, l.poller.Found()) {
		c.Records, c.State = nil, covered.state // The tracker may have heard of the other account before this shard has.
	}
	if records && len(watches) > 0 {
		c.Records, watch, changed = append(watches, c.Records...), told, true
	}
	if changed {
		c.Watch = &watch
	}
	if err := to.PublishCoverage(ctx, c); err != nil {
		return watch, err
	}
	now := time.Now()
	covered.state, covered.stored = c.State, now
	if slices.ContainsFunc(c.Records, func(r coverage.Record) bool { return r.Heartbeat != nil }) {
		covered.beat = now
	}
	return watch, nil
}

// storeAtEnd stores the coverage when the shard is given up, so that the next owner knows until when it was followed. If that
// fails, the next owner publishes a gap that begins a little earlier.
func (l *loop) storeAtEnd(ctx context.Context, to shardWriter, watch event.WatchRecord, covered *shardCoverage) {
	covered.stored = time.Time{}
	if _, err := l.publishCoverage(ctx, to, watch, false, covered); err != nil {
		l.log.Debug("the coverage of the shard could not be stored at its end", zap.Int("shard", covered.shard), zap.Error(err))
	}
}

// tellWatches returns the coverage records of the watches that have begun or ended since the coverage topic was last told of
// them, and the watch in which that is noted.
func (l *loop) tellWatches(watch event.WatchRecord) (told event.WatchRecord, records []coverage.Record) {
	told = watch
	for _, id := range slices.Sorted(maps.Keys(watch.Fleets)) {
		fleet, reason := watch.Fleets[id], ""
		switch {
		case !fleet.Gone.IsZero():
			reason = "the fleet is not listed any more"
		case fleet.Farm != "" && !l.poller.Selects(fleet.Farm, id):
			reason = "the configuration leaves the fleet out"
		}
		of := coverage.Watch{FarmID: fleet.Farm, FleetID: id, Since: fleet.Since, Ended: reason != "", Reason: reason}
		switch {
		case !of.Ended && fleet.Published != event.WatchBegan:
			fleet.Published = event.WatchBegan
		case of.Ended && fleet.Published == event.WatchBegan:
			fleet.Published = event.WatchEnded
		default:
			continue
		}
		if len(records) == 0 {
			told = watch.Clone()
		}
		told.Fleets[id] = fleet
		records = append(records, coverage.Record{Watch: &of})
	}
	return told, records
}
