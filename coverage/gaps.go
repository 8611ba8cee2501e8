package coverage

import (
	"slices"
	"time"
)

// gap is an open gap.
type gap struct {
	Gap
	from     moment
	to       moment         // zero as long as it is open
	channels [channels]bool // a good answer in one of these closes it
}

// prevents reports whether looks of a kind cannot be made because of the gap. A status that asked for a listing is no look until
// there is one.
func (g *gap) prevents(k kind, l *look) bool {
	return *of(&g.Affects, k) || k == announced && l.awaits && g.Affects.Starts
}

func (g *gap) covers(s Scope, c channel) bool { return g.channels[c] && contains(g.Scope, s) }

// open opens a gap.
func (t *Tracker) open(g *gap) {
	g.Number, g.From = t.nextGap, g.from.time()
	t.nextGap++
	t.gaps = append(t.gaps, g)
	record := g.Gap
	t.due = append(t.due, Record{Gap: &record})
}

// closeGap closes a gap because of a request that was answered. What it concerned is behind until there is a look of that time.
func (t *Tracker) closeGap(g *gap, to moment) {
	t.gaps = slices.DeleteFunc(t.gaps, func(other *gap) bool { return other == g })
	record := g.Gap
	g.to = max(to, g.from)
	record.Closed, record.To = true, g.to.time()
	t.due = append(t.due, Record{Gap: &record})
	t.eachLook(func(s Scope, k kind, l *look) {
		if contains(g.Scope, s) && g.prevents(k, l) {
			l.until, l.gap = max(l.until, to), g.Number
		}
	})
	for p, f := range t.bad {
		if g.covers(p.Scope, p.channel) {
			f.proof = max(f.proof, to)
		}
	}
	t.checkAt(1)
}

// closeGone closes the gaps that concern only something that does not exist any more.
func (t *Tracker) closeGone(s Scope, at moment) {
	for _, g := range slices.Clone(t.gaps) {
		if g.Scope == s {
			t.closeGap(g, at)
		}
	}
}

// publishClosed publishes a gap that is over.
func (t *Tracker) publishClosed(g Gap, from, to moment) {
	g.Number, g.Closed, g.From, g.To = t.nextGap, true, from.time(), to.time()
	t.nextGap++
	t.due = append(t.due, Record{Gap: &g})
}

// aliveEvery is how old the newest good answer that is stored may be although the shard has an owner.
const aliveEvery = 15 * time.Second

// openDown opens the gap of the time in which the shard had no owner, if it is not open yet.
func (t *Tracker) openDown() {
	if t.down != nil {
		t.open(t.down)
		t.down = nil
	}
}

// resolveDown takes in the first good answer. It shows by the service's clock whether there was such a time.
func (t *Tracker) resolveDown(at moment) {
	if t.down != nil && at.since(t.down.from) > aliveEvery {
		t.openDown()
	}
	t.down = nil
}

// NotCommitted takes in that this instance had the shard between two times but could commit nothing: from is the last commit, to
// the first one after it. It is called at once after NewTracker if the Tracker before was given up because of Kafka. Then the
// shard was not without an owner, however old the stored State is.
func (t *Tracker) NotCommitted(from, to time.Time) {
	if t.alive > momentOf(from).add(aliveEvery) {
		return // Another instance had the shard meanwhile.
	}
	if t.down != nil && t.down.from >= momentOf(from).add(-aliveEvery) {
		t.down = nil
	}
	if to.Sub(from) >= t.config.GapAfter {
		t.publishClosed(Gap{Reason: Kafka, Affects: Affects{true, true, true}}, momentOf(from), momentOf(to))
	}
}
