package check

import (
	"encoding/json"
	"fmt"
	"time"
)

// stateLog is one record of .state about a session.
type stateLog struct {
	partition int
	tombstone bool
	sequence  uint64
	state     state
	vanished  bool
}

func (l stateLog) String() string {
	if l.tombstone {
		return "tombstone"
	}
	text := fmt.Sprintf("%d %s", l.sequence, l.state)
	if l.vanished {
		text += " vanished"
	}
	return text
}

// watch is a shard's watch record.
type watch struct {
	initial string
	since   map[string]instant // by fleet; the service's clock
}

func (w *watch) sinceOf(s *session) instant { return w.since[s.truth.fleet] }

type wireWatch struct {
	Schema, Partitions int
	Region, Initial    string
	Farms              map[string]struct{ Listed time.Time }
	Fleets             map[string]struct{ Since time.Time }
}

// readState takes a record of .state.
func (c *checker) readState(r record) error {
	c.report.Counts.StateRecords++
	switch {
	case r.key == "watch":
		c.readWatch(r)
		return nil
	case r.null:
		c.report.Counts.Tombstones++
		if s := c.sessions[r.key]; s != nil {
			c.checkPartition(r, s.truth.worker)
			s.stored = append(s.stored, stateLog{partition: r.partition, tombstone: true})
		}
		return nil
	}
	var w wireState
	in := reading{texts: c.texts}
	if err := strict(r.value, &w); err != nil {
		c.anomaly(BadEnvelope, r.key, r.value, err.Error())
		return nil
	}
	id, who, st := in.session(take(&in, "session", w.Session))
	seen := in.time("seen", take(&in, "seen", w.Seen))
	l := stateLog{partition: r.partition, sequence: take(&in, "sequence", w.Sequence), state: st, vanished: w.Vanished.value}
	switch {
	case take(&in, "schema", w.Schema) != 1:
		in.fail("schema %d", w.Schema.value)
	case id != r.key:
		in.fail("the key is %s", r.key)
	case seen > instant(r.timestamp+1)*1e6:
		in.fail("seen at %s, after it was recorded", seen)
	}
	if in.wrong != nil {
		c.anomaly(BadEnvelope, r.key, "state "+r.value, in.wrong.Error())
		return nil
	}
	c.checkPartition(r, who.worker)
	s := c.sessions[id]
	if s == nil {
		c.anomaly(InventedState, id, "state "+l.String(), "there was no such session")
		return nil
	}
	if who != s.truth.identity {
		c.anomaly(FoldMismatch, id, fmt.Sprint(who), fmt.Sprint(s.truth.identity))
	}
	s.stored = append(s.stored, l)
	return nil
}

func (c *checker) readWatch(r record) {
	c.report.Counts.Watches++
	var w wireWatch
	if err := json.Unmarshal([]byte(r.value), &w); err != nil || r.null {
		c.anomaly(BadWatch, r.key, r.value, fmt.Sprintf("no watch: %v", err))
		return
	}
	if w.Schema != 1 || w.Partitions != c.in.Partitions || w.Region != c.in.Region {
		c.anomaly(BadWatch, r.key, r.value, fmt.Sprintf("schema 1, %d partitions, region %s", c.in.Partitions, c.in.Region))
	}
	next := &watch{initial: w.Initial, since: map[string]instant{}}
	for fleet, f := range w.Fleets {
		next.since[fleet] = instantOf(f.Since)
	}
	if old := c.watches[r.partition]; old != nil {
		for fleet, since := range old.since {
			if next.since[fleet] != since {
				c.anomaly(BadWatch, fleet, "since "+next.since[fleet].String(), "it was "+since.String()+" and never changes")
			}
		}
	}
	c.watches[r.partition] = next
}

// watchOf is the watch that a session was judged by; nil: there is none on its fleet.
func (c *checker) watchOf(s *session) *watch {
	w := c.watches[partitionOf(s.truth.worker, c.in.Partitions)]
	if w == nil || w.since[s.truth.fleet] == 0 {
		return nil
	}
	return w
}

// checkWatches demands one in every shard.
func (c *checker) checkWatches() {
	for shard := range c.in.Partitions {
		if c.watches[shard] == nil {
			c.anomaly(BadWatch, fmt.Sprintf("shard %d", shard), "no watch", "a state topic is born whole")
		}
	}
}
