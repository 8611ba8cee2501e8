package coverage

import (
	"cmp"
	"slices"

	"farmwire/diff"
)

// restore takes in what is stored.
func (t *Tracker) restore(snapshots []diff.Snapshot) {
	t.alive = momentOf(t.stored.Alive)
	t.told = t.alive
	t.watermark = momentsOf(t.stored.Watermark)
	t.nextGap = max(1, t.stored.NextGap)
	top := t.level(Scope{})
	top.answers = t.unknownAnswers()
	t.restoreLevel(Scope{})
	for _, farm := range t.config.Farms {
		t.restoreLevel(Scope{FarmID: farm})
		for _, fleet := range t.config.Fleets {
			if len(t.config.Farms) == 1 {
				t.restoreLevel(Scope{FarmID: farm, FleetID: fleet})
			}
		}
	}
	for _, b := range t.stored.Behind {
		t.restoreLevel(b.Scope)
	}
	for i := range t.stored.Gaps {
		t.restoreLevel(t.stored.Gaps[i].Scope)
	}
	for i := range t.stored.Unanswered {
		t.restoreLevel(t.stored.Unanswered[i].Scope)
	}
	for _, key := range t.stored.Workers {
		if t.isAsked(key) && t.config.Owns(key.WorkerID) {
			t.restoreLevel(fleetOf(key))
			w := t.addWorker(key)
			w.isUnit, w.looks = true, t.storedLooks(key)
		}
	}
	for _, s := range snapshots {
		if s.OpenCount() > 0 {
			t.restoreSessions(s)
		}
	}
	t.restoreGaps()
	t.restoreUnanswered()
}

// isAsked reports whether a list of what is in a scope is asked for, or, of a worker, whether its fleet's workers are listed.
func (t *Tracker) isAsked(s Scope) bool {
	c := &t.config
	switch {
	case len(c.Farms) == 0:
		return true
	case s.FarmID == "" || !slices.Contains(c.Farms, s.FarmID):
		return false
	case len(c.Farms) == 1 && len(c.Fleets) > 0:
		return slices.Contains(c.Fleets, s.FleetID)
	}
	return true
}

// restoreLevel takes in that a farm or fleet, and what is above it, may exist.
func (t *Tracker) restoreLevel(s Scope) {
	if s.WorkerID != "" {
		s = fleetOf(s)
	}
	for {
		l := t.level(s)
		l.looks, l.isUnit = t.storedLooks(s), t.isAsked(s)
		if (s == Scope{}) {
			return
		}
		s = above(s)
	}
}

// storedLooks returns what stands for the looks at a scope before the Tracker was made: the stored watermarks or, if something
// stored is behind, those of that.
func (t *Tracker) storedLooks(s Scope) (looks [kinds]look) {
	for k := range kinds {
		looks[k].at = *of(&t.watermark, k)
		for _, b := range t.stored.Behind {
			at := momentOf(*of(&b.Watermark, k))
			if contains(b.Scope, s) && *of(&b.Affects, k) && (looks[k].until == 0 || at < looks[k].at) {
				looks[k] = look{at: at, until: at + 1, gap: b.Gap}
			}
		}
	}
	return looks
}

func (t *Tracker) restoreSessions(s diff.Snapshot) {
	key := s.Worker()
	w := t.workers[key]
	if w == nil {
		w = t.addWorker(key)
	}
	stored := t.storedLooks(key)[changes]
	open := s.Open()
	w.sessions = make([]session, len(open))
	for i := range open {
		w.sessions[i] = session{id: open[i].SessionID, look: stored}
	}
}

// restoreGaps takes in the gaps that are open. A good answer in any channel that a gap affects closes the gap. The time in which
// no instance had the shard is a gap too, unless the open gaps with the widest scope affect all kinds of looks already.
func (t *Tracker) restoreGaps() {
	var everything Affects // that gaps with the widest scope affect
	for _, stored := range t.stored.Gaps {
		g := &gap{Gap: stored, from: momentOf(stored.From)}
		for c := range channels {
			g.channels[c] = stored.Reason != Unresolved && stored.Affects != Affects{} && intersects(c.affects(), stored.Affects)
		}
		if (stored.Scope == Scope{}) {
			everything = union(everything, stored.Affects)
		}
		if t.gaps = append(t.gaps, g); stored.Reason != Down { // then no request was sent that could fail
			t.before = append(t.before, &earlier{gap: g})
		}
		if !t.exists(stored.Scope) { // it is left out now, or the worker is gone
			t.closeGap(g, t.alive)
		}
	}
	if (everything != Affects{true, true, true}) && t.alive != 0 && t.began.since(t.alive) > aliveEvery {
		t.down = &gap{Gap: Gap{Reason: cmp.Or(t.config.Absence, Down), Affects: Affects{true, true, true}}, from: t.alive, channels: [channels]bool{true, true, true, true}}
	}
}

func intersects(a, b Affects) bool {
	return a.Changes && b.Changes || a.Announced && b.Announced || a.Starts && b.Starts
}
