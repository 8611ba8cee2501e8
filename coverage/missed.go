package coverage

import (
	"slices"

	"farmwire/diff"
)

// noteFound takes in which sessions a lookup has shown.
func (t *Tracker) noteFound(a *Answer, at moment) {
	if a.Operation != Lookup {
		return
	}
	for i := range a.Sessions {
		s := &a.Sessions[i]
		w := t.workers[s.WorkerKey]
		if w == nil {
			continue
		}
		if n, ok := findSession(w.sessions, s.SessionID); ok {
			known := &w.sessions[n]
			switch {
			case slices.Contains(a.Found, s.SessionID):
				known.missed = 0
			case known.missed == 0 && at > known.look.at:
				known.missed = at
				t.missed[s.WorkerKey] = true
				t.checkAt(at.add(t.config.GapAfter))
			}
		}
	}
}

// findMissed opens a gap for each worker with a session that was asked for, but not shown, for long enough.
func (t *Tracker) findMissed(now moment) {
	for _, key := range sortedKeys(t.missed) {
		w := t.workers[key]
		var oldest moment
		var from moment
		if w != nil {
			for _, s := range w.sessions {
				if s.missed != 0 && (oldest == 0 || s.missed < oldest) {
					oldest, from = s.missed, s.look.at
				}
			}
		}
		switch due := oldest.add(t.config.GapAfter); {
		case oldest == 0:
			delete(t.missed, key)
		case due > now:
			t.checkAt(due)
		case t.isCovered(key, sessionChannel) || t.unresolved(key) != nil || len(t.gaps) >= maxOpen:
		default:
			t.openDown()
			t.open(&gap{Gap: Gap{Reason: Unresolved, Affects: Affects{Changes: true}, Scope: key}, from: from})
		}
	}
}

func sortedKeys(all map[diff.WorkerKey]bool) []diff.WorkerKey {
	keys := make([]diff.WorkerKey, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// unresolved returns the gap because of sessions of a worker of which the service does not say what became of them, or nil.
func (t *Tracker) unresolved(w diff.WorkerKey) *gap {
	for _, g := range t.gaps {
		if g.Reason == Unresolved && g.Scope == w {
			return g
		}
	}
	return nil
}

// closeResolved closes the gap because of sessions of a worker if all are shown again or not open any more.
func (t *Tracker) closeResolved(w *worker, at moment) {
	g := t.unresolved(w.WorkerKey)
	if g == nil || slices.ContainsFunc(w.sessions, func(s session) bool { return s.missed != 0 || !s.seen }) {
		return
	}
	t.closeGap(g, at)
}
