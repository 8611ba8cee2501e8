package check

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// slack is what a gap may cover of a good answer at both of its ends.
const slack = 15 * second

const second = instant(time.Second)

// Kinds of a [Disturbance]. In an absence no process runs, and nothing but a gap tells of it. The others make requests fail, and
// leave the processes alone.
const (
	Absence        = "absence of all"
	APIOutage      = "API outage"
	DeniedFleet    = "denied fleet"
	HangingWorkers = "hanging workers"
)

// checkGaps compares the gaps with what the farm was asked, and with what it answered.
func (c *checker) checkGaps() {
	for shard := range c.in.Partitions {
		for _, g := range c.coverageOf(shard).gaps {
			c.checkCovered(g)
			if g.to == 0 && g.reason != "unresolved" && c.in.Fresh > 0 {
				c.anomaly(BadGap, g.String(), "still open at the end", "nothing fails any more")
			}
		}
	}
	c.checkOutages()
	c.checkAbsences()
	c.checkDeleted()
}

// contradicts reports whether a good answer shows that what the gap says was not so. A gap says which looks could not be made, and
// not which requests have failed. Lists of farms, fleets and workers do not count: each instance asks for them, and the gap is that
// of the shard's owner.
func (c *checker) contradicts(g *gap, a *answer) bool {
	shows := func(of scope) bool { return partitionOf(of.worker, c.in.Partitions) == g.shard && g.covers(of) }
	switch a.operation {
	case "ListSessionsForWorker":
		return shows(a.scope) && (a.complete || g.worker == "") && (g.affects[changes] || g.affects == [kinds]bool{starts: true})
	case "BatchGetSession", "GetSession":
		return g.affects[changes] && slices.ContainsFunc(a.ids, func(id string) bool {
			s := c.sessions[id]
			return s != nil && shows(scope{s.truth.farm, s.truth.fleet, s.truth.worker})
		})
	case "BatchGetWorker":
		return g.affects == [kinds]bool{announced: true} && slices.ContainsFunc(a.ids, func(id string) bool {
			of, ok := c.requests.scopes[id]
			return ok && shows(of)
		})
	}
	return false
}

// checkCovered demands that no gap covers a good answer about its scope by more than the slack, if the process that received it
// lived on for long enough to store that. Gaps of times in which there was no owner or no Kafka, and those of sessions and workers
// that do not exist any more, say nothing of answers.
func (c *checker) checkCovered(g *gap) {
	switch g.reason {
	case "down", "kafka", "unresolved", "deleted":
		return
	}
	to := g.to
	if to == 0 {
		to = c.service(c.requests.end())
	}
	first, _ := slices.BinarySearchFunc(c.requests.answers, g.from+slack-instant(c.farm.Skew), func(a answer, at instant) int { return cmp.Compare(a.arrived, at) })
	for i := first; i < len(c.requests.answers); i++ {
		a := &c.requests.answers[i]
		if c.service(a.arrived) >= to-slack {
			return
		}
		if a.good && c.contradicts(g, a) && c.undisturbed(a.key, a.arrived, a.done+instant(LivedOn)) {
			c.anomaly(FalseGap, g.String(), "it covers a good answer", fmt.Sprintf("%s of %s was answered at %s", a.operation, a.scope, c.service(a.done)))
			return
		}
	}
}

// end is when the last request arrived.
func (q *requests) end() instant {
	if len(q.answers) == 0 {
		return 0
	}
	return q.answers[len(q.answers)-1].arrived
}

// run holds when requests arrived that were sent one after the other, none of which was answered.
type run []instant

func (r run) first() instant { return r[0] }
func (r run) last() instant  { return r[len(r)-1] }

// storedWithin is how long it may take until what has failed is stored for the next owner of the shard.
const storedWithin = instant(20 * time.Second)

// isForgotten reports whether the owner of a shard does not know that the requests of a run about a fleet or a worker have failed.
// Either the owner before was lost before it stored that, and before another request was sent. Or there was an owner in between
// that sent none.
func (c *checker) isForgotten(r run, next instant) bool {
	lost := 0
	for _, d := range c.disturbances {
		if d.kind == APIOutage || d.kind == DeniedFleet || d.kind == HangingWorkers {
			continue
		}
		if next > d.from && r.last() <= max(d.from, d.to) {
			lost++
			if lost == 2 || r.first() > d.from-storedWithin {
				return true
			}
		}
	}
	return false
}

// checkOutages demands a gap for each time in which requests were sent for long and none was answered: about anything, and about
// what is new in a fleet or on a worker.
func (c *checker) checkOutages() {
	type part struct {
		shard int // -1: every one
		scope
	}
	failing := map[part]run{}
	over := func(of part) {
		for shard := range c.in.Partitions {
			if r := failing[of]; len(r) > 0 && (of.shard == -1 || of.shard == shard) {
				c.checkOutage(shard, of.scope, r)
			}
		}
		delete(failing, of)
	}
	for i := range c.requests.answers {
		a := &c.requests.answers[i]
		parts := []part{{shard: -1}}
		if a.operation == "ListSessionsForWorker" {
			shard := partitionOf(a.worker, c.in.Partitions)
			parts = append(parts, part{shard, scope{farm: a.farm, fleet: a.fleet}}, part{shard, a.scope})
		}
		for _, of := range parts {
			r := failing[of]
			switch {
			case !a.bad:
				over(of)
			case a.throttled && of.scope != scope{}:
			case len(r) > 0 && of.scope != scope{} && c.isForgotten(r, a.arrived):
				failing[of] = run{a.arrived}
			default:
				failing[of] = append(r, a.arrived)
			}
		}
	}
	for of := range failing {
		over(of)
	}
}

// checkOutage demands that gaps of the shard leave no time out in which requests were sent, and that is longer than a gap may take
// to be published.
func (c *checker) checkOutage(shard int, of scope, r run) {
	most := instant(c.in.GapAfter + time.Minute)
	if r.last()-r.first() <= most {
		return
	}
	c.report.Counts.Outages++
	var periods []period
	for _, g := range c.coverageOf(shard).gaps {
		if g.covers(of) && (g.affects[starts] || of == scope{}) {
			periods = append(periods, period{g.from, g.to})
		}
	}
	slices.SortFunc(periods, func(a, b period) int { return cmp.Compare(a.from, b.from) })
	at, last := c.service(r.first()), c.service(r.last())
	for _, p := range append(periods, period{last, 0}) {
		to := min(p.from, last)
		if to-at > most && slices.ContainsFunc(r, func(sent instant) bool { return c.service(sent) > at && c.service(sent) <= to }) {
			c.anomaly(MissingGap, fmt.Sprintf("shard %d, %s", shard, of), fmt.Sprintf("no gap from %s to %s", at, to),
				fmt.Sprintf("all requests from %s to %s failed", at, last))
			return
		}
		if p.to == 0 {
			p.to = last
		}
		at = max(at, p.to)
	}
}

// checkAbsences demands a gap in each shard for each time in which no process ran.
func (c *checker) checkAbsences() {
	for _, d := range c.disturbances {
		if d.kind != Absence || d.to == 0 {
			continue
		}
		from, to := c.service(d.from), c.service(d.to)
		for shard := range c.in.Partitions {
			c.report.Counts.Absences++
			if !slices.ContainsFunc(c.coverageOf(shard).gaps, func(g *gap) bool {
				return g.scope == scope{} && g.from <= from+second && (g.to == 0 || g.to+second >= to)
			}) {
				c.anomaly(MissingGap, fmt.Sprintf("shard %d", shard), "no gap", fmt.Sprintf("no process ran from %s to %s", from, to))
			}
		}
	}
}

// checkDeleted demands that each worker is in a gap which was deleted after it had a session that no complete listing has shown. The
// worker's own period in it must include the time from when the session was shown until the worker was deleted.
func (c *checker) checkDeleted() {
	const late = 100 * second // they are published once a minute, after the next list of the fleet's workers
	periods := map[string][]period{}
	for shard := range c.in.Partitions {
		for _, g := range c.coverageOf(shard).gaps {
			for worker, p := range g.workers {
				periods[worker] = append(periods[worker], p)
				if g.reason != "deleted" || partitionOf(worker, c.in.Partitions) != shard {
					c.anomaly(BadGap, g.String(), "it names "+worker, "only gaps of deleted workers name workers, each in its own shard")
				}
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.sessions)) {
		s := c.sessions[id]
		gone := s.truth.workerDeleted
		if gone == 0 || gone > c.requests.end()-late || c.requests.listed[id] != nil || s.truth.states[0].shown >= gone {
			continue
		}
		if !c.isKnown(s.truth.worker, gone) {
			continue // it came and went between two lists of the fleet's workers
		}
		c.report.Counts.DeletedWorkers++
		shown, until := c.service(s.truth.states[0].shown), c.service(gone)
		if !slices.ContainsFunc(periods[s.truth.worker], func(p period) bool { return p.from <= shown+second && p.to+second >= until }) {
			c.anomaly(MissingGap, s.truth.worker, fmt.Sprintf("its times in gaps of deleted workers: %v", periods[s.truth.worker]),
				fmt.Sprintf("no complete listing has shown %s, which was shown from %s on, and the worker was deleted at %s", s.id, shown, until))
		}
	}
}

// isKnown reports whether each instance has listed a worker before a time, by a process that lived on for long enough to store it.
// Each lists the workers for itself, and any of them may own the shard.
func (c *checker) isKnown(worker string, until instant) bool {
	known := map[string]bool{} // by instance
	for i := range c.requests.answers {
		a := &c.requests.answers[i]
		of := a.key[:max(0, strings.LastIndex(a.key, "-"))] // without the number of the process
		isShown := a.good && a.operation == "ListWorkers" && a.done < until && slices.Contains(a.ids, worker) &&
			!slices.ContainsFunc(c.disturbances, func(d disturbance) bool {
				return d.key == a.key && a.arrived <= d.from && d.from <= a.done+instant(LivedOn)
			})
		known[of] = known[of] || isShown
	}
	return !slices.Contains(slices.Collect(maps.Values(known)), false)
}
