package check

import (
	"encoding/json"
	"fmt"
	"time"
)

// watch is a shard's watch record: since when the shard watches which fleets.
type watch struct {
	initial string             // --initial at the first start
	since   map[string]instant // by fleet; the service's clock
	gone    map[string]instant // since when a fleet is not listed, by fleet; the service's clock
}

func (w *watch) sinceOf(s *session) instant { return w.since[s.truth.fleet] }

type wireWatch struct {
	Schema, Partitions int
	Region, Initial    string
	Farms              map[string]struct{ Listed time.Time }
	Fleets             map[string]struct{ Since, Gone time.Time }
}

// readWatch takes a watch record of .state.
func (c *checker) readWatch(r record) {
	c.report.Counts.Watches++
	var w wireWatch
	if err := json.Unmarshal([]byte(r.value), &w); err != nil || r.null {
		c.anomaly(BadWatch, r.key, r.value, fmt.Sprintf("not a watch record: %v", err))
		return
	}
	if w.Schema != 1 || w.Partitions != c.in.Partitions || w.Region != c.in.Region {
		c.anomaly(BadWatch, r.key, r.value, fmt.Sprintf("schema 1, %d partitions, region %s", c.in.Partitions, c.in.Region))
	}
	next := &watch{initial: w.Initial, since: map[string]instant{}, gone: map[string]instant{}}
	for fleet, f := range w.Fleets {
		next.since[fleet] = instantOf(f.Since)
		if !f.Gone.IsZero() {
			next.gone[fleet] = instantOf(f.Gone)
		}
	}
	if old := c.watches[r.partition]; old != nil {
		for fleet, since := range old.since {
			if next.since[fleet] != since && !c.mayForget(old, next, fleet, r) {
				c.anomaly(BadWatch, fleet, "since "+next.since[fleet].String(), "it was "+since.String()+" and never changes")
			}
		}
	}
	c.watches[r.partition] = next
}

// forgetFleetAfter is how long a fleet is not listed before the watch on it may be forgotten.
const forgetFleetAfter = 30 * 24 * time.Hour

// mayForget reports whether a watch record may lack a fleet that the one before it has.
func (c *checker) mayForget(old, next *watch, fleet string, r record) bool {
	_, kept := next.since[fleet]
	gone, isGone := old.gone[fleet]
	now := instant(r.timestamp)*1e6 + instant(c.farm.Skew)
	return !kept && isGone && now-gone >= instant(forgetFleetAfter-time.Hour)
}

// watchOf is the watch on a session's fleet in the shard of its worker, or nil if there is none.
func (c *checker) watchOf(s *session) *watch {
	w := c.watches[partitionOf(s.truth.worker, c.in.Partitions)]
	if w == nil || w.since[s.truth.fleet] == 0 {
		return nil
	}
	return w
}

// checkWatches demands a watch in every shard.
func (c *checker) checkWatches() {
	for shard := range c.in.Partitions {
		if c.watches[shard] == nil {
			c.anomaly(BadWatch, fmt.Sprintf("shard %d", shard), "no watch", "every shard of a state topic gets one when the topic is created")
		}
	}
}

// certainty says how sure an answer to a question is.
type certainty int

const (
	no certainty = iota
	perhaps
	certainly
)

// endedBeforeWatch says whether a session ended before the watch on its fleet began. It is uncertain if an answer could
// show the session open, or without the time of its end, after that.
func (c *checker) endedBeforeWatch(s *session) certainty {
	w := c.watchOf(s)
	if w == nil {
		return no
	}
	since := w.sinceOf(s)
	t := &s.truth
	var endedAt instant
	withoutTime := false
	for _, st := range t.states {
		if st.endedAt != 0 {
			endedAt = st.endedAt
		}
		withoutTime = withoutTime || st.ended() && st.endedAt == 0
	}
	if endedAt == 0 || endedAt >= since {
		return no
	}
	sinceByOurClock := since - instant(c.farm.Skew)
	if withoutTime || t.states[t.firstEnded()].shown > sinceByOurClock || c.farm.StaleReads {
		return perhaps
	}
	return certainly
}
