package coverage

import (
	"cmp"
	"slices"
)

// maxUnanswered is how many entries State.Unanswered has at most.
const maxUnanswered = 100

// unanswered returns what fails as a whole and is in no open gap: the widest first, then what has failed for longest. What is
// part of something wider that has failed for as long is left out, and so is what is beyond maxUnanswered.
func (t *Tracker) unanswered() (all []Unanswered) {
	var parts []failingPart
	for p, f := range t.bad {
		if t.isWhole(p, f) && t.exists(p.Scope) && !t.isCovered(p.Scope, p.channel) {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b failingPart) int {
		return cmp.Or(cmp.Compare(depth(a.Scope), depth(b.Scope)), cmp.Compare(t.bad[a].first, t.bad[b].first), compareKeys(a.Scope, b.Scope), cmp.Compare(a.channel, b.channel))
	})
	has := make(map[failingPart]bool)
	isIn := func(p failingPart) bool {
		first := t.bad[p].first
		for s := p.Scope; (s != Scope{}); {
			s = above(s)
			if wide := (failingPart{s, p.channel}); has[wide] && t.bad[wide].first <= first {
				return true
			}
		}
		return false
	}
	for _, p := range parts {
		if len(all) == maxUnanswered {
			break
		}
		if !isIn(p) {
			has[p] = true
			f := t.bad[p]
			f.isStored = true
			all = append(all, Unanswered{p.Scope, p.affects(), t.answersAbout(p.Scope).good[p.channel].time(), f.first.time(), f.reason})
		}
	}
	return all
}

// earlier is what failed for an earlier owner of the shard.
type earlier struct {
	*gap
	isUnanswered bool   // it was in no gap; from is then the first request that failed
	good         moment // the newest good answer before that
}

// restoreUnanswered takes in what failed when that was stored.
func (t *Tracker) restoreUnanswered() {
	for _, u := range t.stored.Unanswered {
		g := &gap{Gap: Gap{Scope: u.Scope}, from: momentOf(u.First)}
		about := t.answersAbout(u.Scope)
		for c := range channels {
			if g.channels[c] = c.affects() == u.Affects; g.channels[c] && about != nil {
				about.good[c] = momentOf(u.Good)
				t.bad[failingPart{u.Scope, c}] = &failure{first: g.from, last: g.from, reason: u.Reason, isHard: u.Reason != Throttled, isWide: true, isStored: true, isOld: true}
			}
		}
		t.before = append(t.before, &earlier{gap: g, isUnanswered: true, good: momentOf(u.Good)})
	}
}

// newFailure returns the failure of a scope that was not known to fail. If it was part of what failed for an earlier owner of the
// shard, and no request was answered since, it has failed since then: that owner did not store all that failed.
func (t *Tracker) newFailure(p failingPart, at moment) *failure {
	f := &failure{first: at}
	about := t.answersAbout(p.Scope)
	if about.since[p.channel] || about.good[p.channel] == 0 {
		return f
	}
	for _, b := range t.before {
		if !b.covers(p.Scope, p.channel) {
			continue
		}
		if b.from < f.first {
			f.first, f.proof = b.from, b.to
			f.isHard = f.isHard || !b.isUnanswered
		}
		if b.isUnanswered {
			about.good[p.channel] = min(about.good[p.channel], b.good)
		}
	}
	return f
}
