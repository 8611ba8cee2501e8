package coverage

import (
	"cmp"
	"slices"
)

// maxBehind is how many entries Heartbeat.Behind has at most.
const maxBehind = 50

// eachLook calls f for each open session, worker, fleet, farm and the account, with the newest look at it.
func (t *Tracker) eachLook(f func(Scope, kind, *look)) {
	for s, l := range t.levels {
		if l.isUnit {
			f(s, announced, &l.looks[announced])
			f(s, starts, &l.looks[starts])
		}
	}
	for key, w := range t.workers {
		for i := range w.sessions {
			f(key, changes, &w.sessions[i].look)
		}
		if w.isUnit || w.gone != 0 {
			w.looks[announced].awaits = w.asked[0].number != 0
			f(key, announced, &w.looks[announced])
			f(key, starts, &w.looks[starts])
		}
	}
}

// advance moves the watermarks forward, and returns what they leave out.
//
// A look that an open gap prevents, or that has not caught up with a closed one, does not hold back the watermark. Once it has
// caught up it does so again. As long as it is older than a watermark that was published before, it is still in behind.
func (t *Tracker) advance() []Behind {
	limits := t.limits()
	open := make(map[Scope][]*gap)
	for _, g := range t.gaps {
		open[g.Scope] = append(open[g.Scope], g)
	}
	var oldest Kinds[moment] // of those that hold back the watermark
	var some, holds Kinds[bool]
	t.eachLook(func(s Scope, k kind, l *look) {
		*of(&some, k) = true
		if l.isBehind() || len(gapsOf(open, s, k, l)) > 0 {
			return
		}
		if m := of(&oldest, k); !*of(&holds, k) || l.at < *m {
			*m, *of(&holds, k) = l.at, true
		}
	})
	for _, k := range [...]kind{starts, announced, changes} {
		w, next := of(&t.watermark, k), *of(&oldest, k)
		switch {
		case !*of(&some, k):
			next = t.alive
		case !*of(&holds, k):
			continue
		}
		if k == changes && *w == 0 && t.watermark.Starts == 0 {
			continue // sessions are not known before every worker was listed once
		}
		*w = max(*w, limited(next, *of(&limits, k)))
	}

	return t.leftOut(open, limits)
}

// leftOut returns what the watermarks leave out: what an open gap prevents, and what has not caught up since its gap was closed.
func (t *Tracker) leftOut(open map[Scope][]*gap, limits Kinds[moment]) []Behind {
	entries := make(map[uint64]map[Scope]*entry)
	note := func(number uint64, s Scope, k kind, at moment) {
		if entries[number] == nil {
			entries[number] = make(map[Scope]*entry)
		}
		e := entries[number][s]
		if e == nil {
			e = &entry{gap: number, Scope: s}
			entries[number][s] = e
		}
		e.note(k, at)
	}
	t.eachLook(func(s Scope, k kind, l *look) {
		at := limited(l.at, *of(&limits, k))
		gaps := gapsOf(open, s, k, l)
		for _, g := range gaps {
			note(g.Number, g.Scope, k, at)
		}
		if len(gaps) == 0 && (l.isBehind() || l.at < *of(&t.watermark, k)) {
			note(l.gap, s, k, at)
		}
	})
	var all []*entry
	for _, g := range t.gaps {
		for k := range kinds {
			if e := entries[g.Number][g.Scope]; *of(&g.Affects, k) && (e == nil || !*of(&e.affects, k)) {
				note(g.Number, g.Scope, k, limited(g.from, *of(&limits, k))) // there is nothing of this kind in its scope
			}
		}
		if e := entries[g.Number][g.Scope]; e != nil {
			e.isOpen = true
		}
	}
	for _, scopes := range entries {
		for _, e := range scopes {
			all = append(all, e)
		}
	}
	return behind(all)
}

// limited returns the time of a look, but not later than a request that is under way or not committed. Zero is no such request.
func limited(at, limit moment) moment {
	if limit != 0 {
		return min(at, limit)
	}
	return at
}

// gapsOf returns the open gaps that prevent looks of a kind at something.
func gapsOf(open map[Scope][]*gap, s Scope, k kind, l *look) (all []*gap) {
	if len(open) == 0 {
		return nil
	}
	for ; ; s = above(s) {
		for _, g := range open[s] {
			if g.prevents(k, l) {
				all = append(all, g)
			}
		}
		if (s == Scope{}) {
			return all
		}
	}
}

// entry becomes a Behind.
type entry struct {
	Scope
	gap       uint64
	isOpen    bool // the gap is open
	affects   Affects
	watermark Kinds[moment]
}

// note takes in a look of a kind.
func (e *entry) note(k kind, at moment) {
	w := of(&e.watermark, k)
	if known := of(&e.affects, k); !*known || at < *w {
		*w, *known = at, true
	}
}

// behind returns the entries, not more than maxBehind. If there are more, they are widened: first those of gaps that are closed,
// from workers to fleets, then the others too, then from fleets to farms, then to everything.
func behind(entries []*entry) []Behind {
	for level := 2; level >= 0 && len(entries) > maxBehind; level-- {
		for _, open := range [...]bool{false, true} {
			if len(entries) > maxBehind {
				entries = widen(entries, level, open)
			}
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(a.gap, b.gap), compareScopes(a.Scope, b.Scope))
	})
	all := make([]Behind, 0, len(entries))
	for _, e := range entries {
		all = append(all, Behind{Gap: e.gap, Scope: e.Scope, Affects: e.affects, Watermark: times(e.watermark)})
	}
	return all
}

// widen makes the entries of a level one for each scope, which has the number of the oldest gap.
func widen(entries []*entry, level int, open bool) (all []*entry) {
	merged := make(map[Scope]*entry)
	for _, e := range entries {
		s := e.Scope
		if depth(s) > level {
			s = above(s)
		}
		if e.isOpen && !open || depth(s) != level {
			all = append(all, e)
			continue
		}
		wide := merged[s]
		if wide == nil {
			wide = &entry{Scope: s, gap: e.gap}
			merged[s] = wide
			all = append(all, wide)
		}
		wide.gap, wide.isOpen = min(wide.gap, e.gap), wide.isOpen || e.isOpen
		for k := range kinds {
			if *of(&e.affects, k) {
				wide.note(k, *of(&e.watermark, k))
			}
		}
	}
	return all
}
