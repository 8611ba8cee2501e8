package check

import (
	"fmt"
	"maps"
	"slices"
)

// millisecond is how far a watermark may be off because records tell times in milliseconds.
const millisecond = 1_000_000

// checkWatermarks compares what each heartbeat claims with what the farm was asked and has shown.
func (c *checker) checkWatermarks() {
	byShard := make([][]*session, c.in.Partitions)
	for _, id := range slices.Sorted(maps.Keys(c.sessions)) {
		s := c.sessions[id]
		shard := partitionOf(s.truth.worker, c.in.Partitions)
		byShard[shard] = append(byShard[shard], s)
	}
	workers := make([][]trueWorker, c.in.Partitions)
	deleted := map[string]instant{}
	for _, w := range c.requests.workers {
		shard := partitionOf(w.worker, c.in.Partitions)
		workers[shard] = append(workers[shard], w)
		deleted[w.worker] = w.deleted
	}
	for shard := range c.in.Partitions {
		var last *heartbeat
		claims := !c.logOf(shard).doubtful && !c.farm.StaleReads
		for _, h := range c.coverageOf(shard).heartbeats {
			c.checkOnward(last, h)
			last = h
			c.checkFresh(h)
			for _, s := range byShard[shard] {
				c.checkChanges(h, s, claims)
				if gone := deleted[s.truth.worker]; claims && (gone == 0 || gone > h.recorded) {
					c.checkStarts(h, s)
				}
			}
			for _, w := range workers[shard] {
				if w.deleted == 0 || w.deleted > h.recorded {
					c.checkWorker(h, w)
				}
			}
			for of, all := range c.requests.complete {
				c.checkLook(h, announced, of, c.requests.found[of], all, "complete list")
				c.checkLook(h, starts, of, c.requests.found[of], all, "complete list")
			}
		}
	}
}

// service converts a time of our clock into one of the service's.
func (c *checker) service(ours instant) instant { return ours + instant(c.farm.Skew) }

// checkOnward demands that no watermark goes back.
func (c *checker) checkOnward(last, h *heartbeat) {
	for k := range kinds {
		if last != nil && h.watermark[k] < last.watermark[k] {
			c.anomaly(WatermarkBack, h.String(), fmt.Sprintf("%s %s", k, h.watermark[k]), fmt.Sprintf("it was %s", last.watermark[k]))
		}
	}
}

// checkFresh demands that what was asked for of open sessions is not old when nothing fails.
func (c *checker) checkFresh(h *heartbeat) {
	if c.in.Fresh == 0 || h.recorded < instantOf(c.in.Calm)+instant(c.in.Fresh) {
		return
	}
	c.report.Counts.Fresh++
	if h.watermark[changes] == 0 || h.at-h.watermark[changes] > instant(c.in.Fresh) {
		c.anomaly(OldWatermark, h.String(), fmt.Sprintf("changes %s", h.watermark[changes]), fmt.Sprintf("nothing fails, so it is at most %s old", c.in.Fresh))
	}
}

// checkLook demands a request at the watermark or later that was answered before the heartbeat. What did not exist at the
// watermark needs none.
func (c *checker) checkLook(h *heartbeat, k kind, of scope, created instant, all looks, what string) {
	w := h.of(k, of)
	if w == 0 || c.service(created) > w {
		return
	}
	c.report.Counts.Looks++
	if newest := all.newest(h.recorded + millisecond); newest == 0 || c.service(newest)+millisecond < w {
		c.anomaly(FalseWatermark, h.String(), fmt.Sprintf("%s of %s is %s", k, of, w),
			fmt.Sprintf("the newest answer (%s) to a request was to one of %s", what, c.service(newest)))
	}
}

// checkChanges checks what a heartbeat claims of a session that was open by the events below log.size. Without claims it only
// demands a request.
func (c *checker) checkChanges(h *heartbeat, s *session, claims bool) {
	last := s.lastBelow(h.size)
	if last == nil || last.change == "vanished" || last.state.ended() {
		return
	}
	of := s.truth.scope()
	c.checkLook(h, changes, of, 0, c.requests.sessions[s.id], "that showed "+s.id)
	w := h.of(changes, of) - instant(c.farm.Skew)
	if h.of(changes, of) == 0 || !claims || w <= s.truth.incompleteUntil {
		return
	}
	shown, published := -1, -1
	for i, st := range s.truth.states {
		if st.shown <= w {
			shown = i
		}
		if st.state == last.state {
			published = i
		}
	}
	if published < 0 {
		return // an invented state, which is reported already
	}
	c.report.Counts.Claims++
	if published < shown {
		c.anomaly(Unpublished, h.String(), fmt.Sprintf("the last event of %s below index %d is %s", s.id, h.size, last),
			fmt.Sprintf("%s was shown since %s, and the watermark is %s", s.truth.states[shown].state, c.service(s.truth.states[shown].shown), h.of(changes, of)))
	}
}

// checkStarts checks what a heartbeat claims of a session that was shown before its watermark: it has an event below log.size.
func (c *checker) checkStarts(h *heartbeat, s *session) {
	w := h.of(starts, s.truth.scope())
	watch := c.watchOf(s)
	switch {
	case w == 0 || watch == nil || c.service(s.truth.states[0].shown) > w || c.endedBeforeWatch(s) != no:
		return
	case watch.initial == "none" && s.truth.startedAt < watch.sinceOf(s):
		return
	case c.service(c.requests.listed[s.id].newest(h.recorded)) < w:
		return // it was hidden or forgotten
	}
	c.report.Counts.Claims++
	if s.lastBelow(h.size) == nil {
		c.anomaly(Unpublished, h.String(), fmt.Sprintf("no event of %s below index %d", s.id, h.size),
			fmt.Sprintf("it was shown since %s, and the watermark is %s", c.service(s.truth.states[0].shown), w))
	}
}

// checkWorker checks what a heartbeat claims of a worker.
func (c *checker) checkWorker(h *heartbeat, w trueWorker) {
	c.checkLook(h, announced, w.scope, w.created, c.requests.statuses[w.worker], "that showed its status")
	c.checkLook(h, starts, w.scope, w.created, c.requests.starts[w.worker], "complete listing")
}

// lastBelow is the last event of a session in the log below an index, or nil. The events are sorted by their numbers.
func (s *session) lastBelow(size uint64) (last *event) {
	for i := range s.events {
		if s.events[i].index < size {
			last = &s.events[i]
		}
	}
	return last
}

func (i identity) scope() scope { return scope{i.farm, i.fleet, i.worker} }
