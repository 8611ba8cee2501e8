package coverage

import "slices"

// channel is a group of operations that show the same, so that one of them may stand for another one that fails.
type channel int

const (
	sessionChannel   channel = iota // what becomes of open sessions
	statusChannel                   // the statuses of workers
	listingChannel                  // what is new on workers
	discoveryChannel                // what farms, fleets and workers there are
	channels
)

// channelsOf returns the channels of an operation.
func channelsOf(o Operation) []channel {
	switch o {
	case ListFarms, ListFleets:
		return []channel{discoveryChannel}
	case ListWorkers:
		return []channel{discoveryChannel, statusChannel}
	case BatchGetWorker:
		return []channel{statusChannel}
	case ListSessionsForWorker:
		return []channel{sessionChannel, listingChannel}
	}
	return []channel{sessionChannel}
}

// affects returns the kinds of looks that come from a channel.
func (c channel) affects() Affects {
	return [channels]Affects{{Changes: true}, {Announced: true}, {Starts: true}, {Announced: true, Starts: true}}[c]
}

// answers are the newest good answers about any part of a scope.
type answers struct {
	good  [channels]moment
	since [channels]bool // there was one since the Tracker was made
}

// unknownAnswers returns the newest good answers about what an earlier owner of the shard may have asked for: of
// those before the Tracker was made, only the newest of all is known.
func (t *Tracker) unknownAnswers() (a answers) {
	for c := range a.good {
		a.good[c] = momentOf(t.stored.Alive)
	}
	return a
}

// answersAbout returns the newest good answers about a scope, or nil if the scope is not known.
func (t *Tracker) answersAbout(s Scope) *answers {
	if s.WorkerID == "" {
		if l := t.levels[s]; l != nil {
			return &l.answers
		}
	} else if w := t.workers[s]; w != nil {
		return &w.answers
	}
	return nil
}

// failingPart is a scope in a channel.
type failingPart struct {
	Scope
	channel
}

// failure says that every answer about a scope in a channel was bad, since the newest good one.
type failure struct {
	first, last moment // when the requests were sent
	reason      Reason // of the last
	isHard      bool   // there was another reason than Throttled, or it was in a gap of an earlier owner
	child       Scope  // a part of the scope that a bad answer was about
	isWide      bool   // a bad answer was about the scope itself, or several parts of it had bad answers
	isStored    bool   // a State may say so
	isOld       bool   // an earlier owner of the shard has stored it, and no request of this one has failed: it is not failing yet
	proof       moment // a gap that this was part of was closed then; it is failing only if a request was sent later and failed, too
}

// judge takes in whether an answer is good or bad, for each scope that the answer is about.
//
// A page of a listing is not yet a good answer about its worker, because the listing may be discarded after another page. An
// answer that a request was throttled counts only for the widest scope, because it says nothing about what was asked for.
func (t *Tracker) judge(a *Answer, at moment) {
	if a.Reason == Cancelled {
		return
	}
	about := t.about(a)
	if a.Reason == "" {
		t.resolveDown(at)
	}
	for _, c := range channelsOf(a.Operation) {
		for _, s := range about {
			switch {
			case a.Reason == "" && (a.Operation != ListSessionsForWorker || !a.UnderWay || s.WorkerID == ""):
				t.noteGood(failingPart{s, c}, at)
			case a.Reason != "" && (a.Reason != Throttled || s == Scope{}):
				t.noteBad(failingPart{s, c}, at, a.Reason)
				if a.Reason == Throttled {
					t.widen(failingPart{s, c}, nil)
				} else {
					t.widen(failingPart{s, c}, about)
				}
			}
		}
	}
	if a.Reason == "" {
		for _, g := range slices.Clone(t.gaps) {
			if at >= g.from && slices.ContainsFunc(channelsOf(a.Operation), func(c channel) bool {
				return slices.ContainsFunc(about, func(s Scope) bool { return g.covers(s, c) && t.answersAbout(s).good[c] >= at })
			}) {
				t.closeGap(g, at)
			}
		}
	}
}

// about returns the scopes that an answer is about, of those that are known: everything; the farm and the fleet of a list; and
// each worker with its fleet and farm. If the answer is good, only the workers count that it shows.
func (t *Tracker) about(a *Answer) []Scope {
	scopes := map[Scope]bool{{}: true}
	add := func(s Scope) {
		for ; (s != Scope{}) && !scopes[s]; s = above(s) {
			if t.answersAbout(s) != nil {
				scopes[s] = true
			}
		}
	}
	add(Scope{FarmID: a.Farm, FleetID: a.Fleet})
	workers := a.Workers
	switch {
	case a.Operation == ListWorkers, a.Operation == BatchGetWorker && a.Reason == "":
		workers = a.Shown
	case a.Operation == Lookup && a.Reason == "":
		workers = nil
		for _, s := range a.Sessions {
			if slices.Contains(a.Found, s.SessionID) {
				workers = append(workers, s.WorkerKey)
			}
		}
	}
	for _, w := range workers {
		if t.config.Owns(w.WorkerID) {
			add(w)
		}
	}
	all := make([]Scope, 0, len(scopes))
	for s := range scopes {
		all = append(all, s)
	}
	return all
}

func (t *Tracker) noteGood(p failingPart, at moment) {
	about := t.answersAbout(p.Scope)
	about.good[p.channel], about.since[p.channel] = max(about.good[p.channel], at), true
	switch f := t.bad[p]; {
	case f == nil:
	case f.last <= at:
		t.unstored = t.unstored || f.isStored
		delete(t.bad, p)
	default: // a request that was sent later has failed already
		f.first = max(f.first, at)
	}
}

func (t *Tracker) noteBad(p failingPart, at moment, why Reason) {
	if at < t.answersAbout(p.Scope).good[p.channel] {
		return // a request that was sent later was answered already
	}
	f := t.bad[p]
	if f == nil {
		f = t.newFailure(p, at)
		t.bad[p] = f
		t.checkAt(max(1, f.first.add(t.config.GapAfter)))
	} else if f.isOld || f.last < f.proof && at >= f.proof {
		t.checkAt(max(1, f.first.add(t.config.GapAfter)))
	}
	f.isOld = false
	f.first = min(f.first, at)
	f.isHard = f.isHard || why != Throttled
	if at >= f.last {
		f.last, f.reason = at, why
	}
}

// throttledPatience is how many times as long requests of a channel must be throttled to be a gap, as long as others are answered:
// then they are only late, as anything is for which the rate does not suffice.
const throttledPatience = 10

// widen takes in which parts of a scope a bad answer was about. If it was only ever one of several, the scope does not fail: the
// others were not asked.
func (t *Tracker) widen(p failingPart, about []Scope) {
	f := t.bad[p]
	if f == nil || f.isWide {
		return
	}
	direct := true
	for _, s := range about {
		if s == p.Scope || s == (Scope{}) || above(s) != p.Scope {
			continue
		}
		direct = false
		f.isWide = f.isWide || f.child != Scope{} && f.child != s
		f.child = s
	}
	if f.isWide = f.isWide || direct; f.isWide {
		t.checkAt(max(1, f.first.add(t.config.GapAfter)))
	}
}

// hasOtherParts reports whether a scope has other parts than a child.
func (t *Tracker) hasOtherParts(s, child Scope) bool {
	for other, l := range t.levels {
		if l.isUnit && other != (Scope{}) && above(other) == s && other != child {
			return true
		}
	}
	for other, w := range t.workers {
		if above(other) == s && other != child && (w.isUnit || len(w.sessions) > 0) {
			return true
		}
	}
	return false
}

// isWhole reports whether a failure is of a scope as a whole: it has no other parts than the one that the bad answers were about.
func (t *Tracker) isWhole(p failingPart, f *failure) bool {
	if f.isWide {
		return true
	}
	child := failingPart{f.child, p.channel}
	of := t.bad[child]
	return of != nil && !t.hasOtherParts(p.Scope, f.child) && t.isWhole(child, of)
}

// checkAt sees to it that findFailing looks for what is failing at a time.
func (t *Tracker) checkAt(at moment) {
	if t.check == 0 || at < t.check {
		t.check = at
	}
}

// isFailing reports whether a scope has failed as a whole, and for long enough. If it may later, findFailing looks again then.
func (t *Tracker) isFailing(p failingPart, f *failure, now moment) bool {
	patience := t.config.GapAfter
	if silent := t.alive.add(t.config.GapAfter); !f.isHard && now < silent {
		patience *= throttledPatience
		t.checkAt(silent)
	}
	switch due := f.first.add(patience); {
	case f.isOld || f.last < f.proof:
		return false
	case due > now:
		t.checkAt(due)
		return false
	}
	return t.isWhole(p, f)
}

// maxOpen is how many gaps may be open. What fails beyond that holds back the watermarks.
const maxOpen = 200

// findFailing opens gaps for what fails, the widest scope first.
func (t *Tracker) findFailing(now moment) {
	if t.check == 0 || now < t.check {
		return
	}
	t.check = 0
	failing := make(map[Scope][]channel)
	for p, f := range t.bad {
		if t.isFailing(p, f, now) {
			failing[p.Scope] = append(failing[p.Scope], p.channel)
		}
	}
	scopes := make([]Scope, 0, len(failing))
	for s := range failing {
		scopes = append(scopes, s)
	}
	slices.SortFunc(scopes, compareScopes)
	for _, s := range scopes {
		t.openDown()
		slices.Sort(failing[s])
		open := slices.DeleteFunc(failing[s], func(c channel) bool { return t.isCovered(s, c) })
		for len(open) > 0 && len(t.gaps) < maxOpen {
			// Those that began to fail at another time get a gap of their own.
			first := open[0]
			together := func(c channel) bool {
				return t.answersAbout(s).good[c].near(t.answersAbout(s).good[first], aliveEvery)
			}
			t.openFailing(s, slices.DeleteFunc(slices.Clone(open), func(c channel) bool { return !together(c) }))
			open = slices.DeleteFunc(open, func(c channel) bool { return together(c) || t.isCovered(s, c) })
		}
	}
	t.findMissed(now)
}

func (t *Tracker) isCovered(s Scope, c channel) bool {
	return slices.ContainsFunc(t.gaps, func(g *gap) bool { return g.covers(s, c) })
}

// openFailing opens one gap for the channels in which a scope fails. If that is everything, the gap includes the channels in
// which nothing was answered since the first of these failed, so that an outage is one gap although some channels are asked rarely.
// Answers within estimateError of that do not count, because the last good one and the first bad one may seem to be in wrong order.
// A channel that began to fail long before the gap begins gets a gap of its own, when it has failed for long enough.
func (t *Tracker) openFailing(s Scope, failing []channel) {
	g := &gap{Gap: Gap{Scope: s}}
	include := func(c channel) {
		g.channels[c] = true
		g.Affects = union(g.Affects, c.affects())
		g.from = max(g.from, t.answersAbout(s).good[c])
	}
	var first, last moment
	for _, c := range failing {
		include(c)
		f := t.bad[failingPart{s, c}]
		if first == 0 || f.first < first {
			first = f.first
		}
		if f.last >= last {
			last, g.Reason = f.last, f.reason
		}
	}
	since := max(g.from, first.add(estimateError))
	for c := range channels {
		if s == (Scope{}) && t.answersAbout(s).good[c] <= since && !t.isCovered(s, c) && !t.hasFailedBefore(failingPart{s, c}, g.from) {
			include(c)
		}
	}
	t.open(g)
}

// hasFailedBefore reports whether a scope began to fail long before a gap begins, so that the gap would leave a part of that out.
func (t *Tracker) hasFailedBefore(p failingPart, from moment) bool {
	f := t.bad[p]
	return f != nil && f.first.add(aliveEvery) < from
}

func union(a, b Affects) Affects {
	return Affects{a.Changes || b.Changes, a.Announced || b.Announced, a.Starts || b.Starts}
}
