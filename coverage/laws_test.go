package coverage_test

import (
	"slices"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

// ledger is what was published and what was answered, and the laws that both must obey.
type ledger struct {
	world *world

	watermark coverage.Watermark // of the last heartbeat
	stored    coverage.Watermark // the newest of all States
	numbers   uint64             // the number of the last gap
	open      map[uint64]coverage.Gap
	all       []coverage.Gap // that were closed
	deleted   map[diff.WorkerKey][]coverage.Period
	answers   []coverage.Answer
	owned     []time.Time     // when the shard was taken over
	lost      []time.Duration // how long before that something was published for the last time

	closed, deletedGaps, downs, heartbeats, entries, complete, longOutages, partGaps, unresolvedGaps int
}

func (l *ledger) answered(a coverage.Answer) { l.answers = append(l.answers, a) }

// take takes what the Tracker has to say, publishes it, and checks it.
func (w *world) take(heartbeat bool) {
	records, state := w.tracker.Take(w.now, heartbeat)
	w.state, w.taken = &state, w.now
	l := &w.ledger
	for _, r := range records {
		switch {
		case r.Gap != nil:
			l.gap(*r.Gap)
		case r.Heartbeat != nil:
			l.heartbeat(*r.Heartbeat)
		}
	}
	l.notBack("stored", &l.stored, state.Watermark)
	if state.NextGap != l.numbers+1 || len(state.Gaps) != len(l.open) {
		w.t.Fatalf("stored are %d gaps, the next of which has the number %d; published are %d, the last has the number %d", len(state.Gaps), state.NextGap, len(l.open), l.numbers)
	}
}

// gap takes in a gap. Numbers have no holes, and each gap is closed once.
func (l *ledger) gap(g coverage.Gap) {
	t := l.world.t
	if l.open == nil {
		l.open, l.deleted = map[uint64]coverage.Gap{}, map[diff.WorkerKey][]coverage.Period{}
	}
	_, isOpen := l.open[g.Number]
	switch {
	case !isOpen && g.Number != l.numbers+1:
		t.Fatalf("gap %d follows gap %d", g.Number, l.numbers)
	case isOpen && !g.Closed:
		t.Fatalf("gap %d was opened twice", g.Number)
	case !isOpen && g.Closed && g.Reason != coverage.Deleted && g.Reason != coverage.Kafka:
		t.Fatalf("gap %d was closed before it was opened", g.Number)
	case g.Closed && g.To.Before(g.From):
		t.Fatalf("gap %d ends before it begins: %+v", g.Number, g)
	}
	l.numbers = max(l.numbers, g.Number)
	if !g.Closed {
		l.open[g.Number] = g
		return
	}
	delete(l.open, g.Number)
	l.closed++
	l.all = append(l.all, g)
	switch {
	case g.Reason == coverage.Deleted:
		l.deletedGaps++
		for id, period := range g.Workers {
			key := diff.WorkerKey{FarmID: g.Scope.FarmID, FleetID: g.Scope.FleetID, WorkerID: id}
			l.deleted[key] = append(l.deleted[key], period)
		}
	case g.Reason == coverage.Down:
		l.downs++
	case g.Reason == coverage.Unresolved:
		l.unresolvedGaps++
	case g.Scope != coverage.Scope{}:
		l.partGaps++
	}
}

func (l *ledger) notBack(what string, before *coverage.Watermark, now coverage.Watermark) {
	if now.Changes.Before(before.Changes) || now.Announced.Before(before.Announced) || now.Starts.Before(before.Starts) {
		l.world.t.Fatalf("%s watermarks went back from %v to %v", what, *before, now)
	}
	*before = now
}

// heartbeat checks that nothing is claimed which is not true: what the service had shown at a watermark is committed.
func (l *ledger) heartbeat(h coverage.Heartbeat) {
	w := l.world
	l.notBack("published", &l.watermark, h.Watermark)
	l.heartbeats++
	l.entries += len(h.Behind)
	if len(h.Behind) > 50 {
		w.t.Fatalf("%d entries are behind", len(h.Behind))
	}
	if !h.Watermark.Changes.IsZero() && !h.Watermark.Announced.IsZero() && !h.Watermark.Starts.IsZero() {
		l.complete++
	}
	for _, b := range h.Behind {
		if _, open := l.open[b.Gap]; !open && !slices.ContainsFunc(l.all, func(g coverage.Gap) bool { return g.Number == b.Gap }) {
			w.t.Fatalf("behind because of gap %d, which was not published: %+v", b.Gap, b)
		}
	}
	for _, g := range l.open {
		if len(h.Behind) < 50 && !slices.ContainsFunc(h.Behind, func(b coverage.Behind) bool {
			return b.Gap == g.Number && b.Scope == g.Scope && covers(b.Affects, g.Affects)
		}) {
			w.t.Fatalf("the open gap %+v is not in behind: %+v", g, h.Behind)
		}
	}
	for _, s := range w.sessions {
		if !owns(s.WorkerID) || s.StartedAt.Before(epoch) {
			continue
		}
		at := effective(h, s.WorkerKey)
		if !s.listed && s.worker.wasShown {
			if s.announced && s.StartedAt.Before(at.Announced) && !l.wasDeleted(s) {
				w.t.Fatalf("announced at %v, but the session %v of %v, begun %v, is not committed", at.Announced, s.SessionID, s.WorkerKey, s.StartedAt)
			}
			if s.StartedAt.Before(at.Starts) && !l.wasDeleted(s) {
				w.t.Fatalf("starts at %v, but the session %v of %v, begun %v, is not committed; the worker was deleted %v; %+v", at.Starts, s.SessionID, s.WorkerKey, s.StartedAt, s.worker.deleted, h)
			}
		}
		if s.listed && !s.ended && !s.EndedAt.IsZero() && s.EndedAt.Before(at.Changes) {
			w.t.Fatalf("changes at %v, but the end of the session %v of %v, %v, is not committed", at.Changes, s.SessionID, s.WorkerKey, s.EndedAt)
		}
	}
}

// wasDeleted reports whether a gap says that the session may be missing because its worker was deleted.
func (l *ledger) wasDeleted(s *job) bool {
	const delay = 15 * time.Second // until the request arrives that shows it
	return slices.ContainsFunc(l.deleted[s.WorkerKey], func(p coverage.Period) bool {
		return !s.StartedAt.Before(p.From) && !s.StartedAt.After(p.To.Add(delay))
	})
}

// effective returns the watermarks of a worker: those of what is behind, or else those of the shard.
func effective(h coverage.Heartbeat, key diff.WorkerKey) coverage.Watermark {
	at := h.Watermark
	apply := func(behind bool, m *time.Time, of time.Time) {
		if behind && of.Before(*m) {
			*m = of
		}
	}
	for _, b := range h.Behind {
		if contains(b.Scope, key) {
			apply(b.Affects.Changes, &at.Changes, b.Watermark.Changes)
			apply(b.Affects.Announced, &at.Announced, b.Watermark.Announced)
			apply(b.Affects.Starts, &at.Starts, b.Watermark.Starts)
		}
	}
	return at
}

func contains(wide, s coverage.Scope) bool {
	return (wide.FarmID == "" || wide.FarmID == s.FarmID) && (wide.FleetID == "" || wide.FleetID == s.FleetID) && (wide.WorkerID == "" || wide.WorkerID == s.WorkerID)
}

// channel is what an operation shows.
type channel struct {
	operations []coverage.Operation
	affects    coverage.Affects
}

var channels = []channel{
	{[]coverage.Operation{coverage.Lookup, coverage.ListSessionsForWorker, coverage.ListSessions}, coverage.Affects{Changes: true}},
	{[]coverage.Operation{coverage.BatchGetWorker, coverage.ListWorkers}, coverage.Affects{Announced: true}},
	{[]coverage.Operation{coverage.ListSessionsForWorker}, coverage.Affects{Starts: true}},
	{[]coverage.Operation{coverage.ListFarms, coverage.ListFleets, coverage.ListWorkers}, coverage.Affects{Announced: true, Starts: true}},
}

func covers(a, b coverage.Affects) bool {
	return (a.Changes || !b.Changes) && (a.Announced || !b.Announced) && (a.Starts || !b.Starts)
}

func isOfShard(a coverage.Answer) bool {
	return len(a.Workers) == 0 || slices.ContainsFunc(a.Workers, func(k diff.WorkerKey) bool { return owns(k.WorkerID) })
}

// checkOutages checks that every long period in which requests were sent and none was answered is in gaps of what was asked for,
// or of more: of all requests of a channel, and of all listings of a worker.
func (w *world) checkOutages() {
	answers := inOrder(w.answers)
	for _, c := range channels {
		w.checkOutage(c, answers)
	}
	listings := map[diff.WorkerKey][]coverage.Answer{}
	for _, a := range answers {
		switch {
		case a.Operation != coverage.ListSessionsForWorker:
		case a.Reason == coverage.Throttled: // says nothing of the worker
		case a.Reason == "" && a.UnderWay: // may be discarded after another page
		default:
			listings[a.Workers[0]] = append(listings[a.Workers[0]], a)
		}
	}
	for _, key := range sorted(listings) {
		w.checkOutage(channels[2], listings[key])
	}
}

func (w *world) checkOutage(c channel, answers []coverage.Answer) {
	var failed []failedRequest // one after the other
	hard := false              // there was another reason than throttling
	end := func() {
		if len(failed) == 0 {
			return
		}
		first, last := failed[0].at, failed[len(failed)-1].at
		long := gapAfter
		if last.Sub(first) > long+time.Minute && !hard && slices.ContainsFunc(w.answers, func(a coverage.Answer) bool {
			return a.Reason == "" && isOfShard(a) && a.At.After(first.Add(-gapAfter)) && a.At.Before(last.Add(gapAfter))
		}) {
			long *= 10 // others were answered, so these are only late
		}
		if last.Sub(first) > long+time.Minute {
			w.longOutages++
			of := common(failed)
			allowed := 15 * time.Second // what fails about together is one gap, since the newest good answer
			for _, at := range w.owned {
				if of.WorkerID == "" && at.After(first) && at.Before(last) {
					allowed += gapAfter // a successor does not know which parts of something had failed, as long as it was not all of it
				}
			}
			if missing := uncovered(w.all, first, last, failed, c.affects); missing > allowed {
				w.t.Fatalf("%v of %v were not answered from %v to %v, and %v of that are in no gap: %+v", c.operations, of, first, last, missing, w.all)
			}
		}
		failed, hard = nil, false
	}
	for _, a := range answers {
		switch {
		case !slices.Contains(c.operations, a.Operation) || !isOfShard(a) || a.Reason == coverage.Cancelled:
		case a.Reason == "":
			end()
		default:
			if len(failed) > 0 && w.isForgotten(failed[0].at, failed[len(failed)-1].at, a.At) {
				failed, hard = nil, false
			}
			hard = hard || a.Reason != coverage.Throttled
			failed = append(failed, failedRequest{a.At, askedBy(a)})
		}
	}
}

// isForgotten reports whether an owner does not know of requests that failed. Either it took over between the last of them and the
// next one, and nothing was published after the first had failed. Or there was an owner in between that sent none: it knew only
// that something wider had failed, and not for how long each part did.
func (w *world) isForgotten(first, last, next time.Time) bool {
	const delay = 5 * time.Second // until an answer arrives
	owners := 0
	for i, at := range w.owned {
		if at.After(last) && !at.After(next) {
			owners++
			if owners == 2 || first.Add(delay).After(at.Add(-w.lost[i])) {
				return true
			}
		}
	}
	return false
}

// askedBy returns what a request that failed says something about. If it was throttled, that is everything.
func askedBy(a coverage.Answer) (all []coverage.Scope) {
	if a.Reason == coverage.Throttled {
		return []coverage.Scope{{}}
	}
	for _, w := range a.Workers {
		if owns(w.WorkerID) {
			all = append(all, w)
		}
	}
	if len(all) == 0 {
		all = append(all, coverage.Scope{FarmID: a.Farm, FleetID: a.Fleet})
	}
	return all
}

// failedRequest is when a request was sent that failed, and what it was about.
type failedRequest struct {
	at    time.Time
	about []coverage.Scope
}

// common returns the narrowest scope that all that was asked about is part of.
func common(failed []failedRequest) coverage.Scope {
	c := failed[0].about[0]
	for _, f := range failed {
		for _, s := range f.about {
			switch {
			case s.FarmID != c.FarmID:
				c = coverage.Scope{}
			case s.FleetID != c.FleetID:
				c.FleetID, c.WorkerID = "", ""
			case s.WorkerID != c.WorkerID:
				c.WorkerID = ""
			}
		}
	}
	return c
}

func inOrder(answers []coverage.Answer) []coverage.Answer {
	answers = slices.Clone(answers)
	slices.SortStableFunc(answers, func(a, b coverage.Answer) int { return a.At.Compare(b.At) })
	return answers
}

// uncovered returns how much of a period, in which requests failed, is in no gap that affects the kinds and is of all that was
// asked about. A part of it in which nothing was asked does not count. One in which less was asked about must be in a gap of that.
func uncovered(gaps []coverage.Gap, from, last time.Time, failed []failedRequest, affects coverage.Affects) (missing time.Duration) {
	gaps = slices.Clone(gaps)
	slices.SortFunc(gaps, func(a, b coverage.Gap) int { return a.From.Compare(b.From) })
	of := common(failed)
	until := func(to time.Time) {
		var meanwhile []failedRequest
		for _, f := range failed {
			if f.at.After(from) && !f.at.After(to) {
				meanwhile = append(meanwhile, f)
			}
		}
		switch {
		case len(meanwhile) == 0:
		case common(meanwhile) != of:
			missing += uncovered(gaps, from, to, meanwhile, affects)
		default:
			missing += to.Sub(from)
		}
	}
	for _, g := range gaps {
		if contains(g.Scope, of) && covers(g.Affects, affects) && g.To.After(from) {
			if g.From.After(last) {
				break
			}
			until(g.From)
			from = g.To
		}
	}
	until(last)
	return missing
}

// checkGoodAnswers checks that what a gap affects was not answered in it.
func (w *world) checkGoodAnswers() {
	for _, g := range w.all {
		if g.Reason == coverage.Unresolved || g.Reason == coverage.Deleted || g.Reason == coverage.Kafka {
			continue
		}
		from := g.From.Add(15 * time.Second)
		for _, at := range w.owned {
			// A successor does not know what an owner was told after its last publication.
			if at.After(from) && at.Before(g.To.Add(10*time.Second)) {
				from = at
			}
		}
		var silent coverage.Affects
		for _, c := range channels {
			answered := slices.ContainsFunc(w.answers, func(a coverage.Answer) bool {
				return a.Reason == "" && slices.Contains(c.operations, a.Operation) && isAbout(a, g.Scope) && isOfShard(a) &&
					a.At.After(from) && a.At.Before(g.To.Add(-15*time.Second))
			})
			if !answered && covers(g.Affects, c.affects) {
				silent = coverage.Affects{
					Changes: silent.Changes || c.affects.Changes, Announced: silent.Announced || c.affects.Announced, Starts: silent.Starts || c.affects.Starts,
				}
			}
		}
		if silent != g.Affects {
			w.t.Fatalf("the gap %+v covers good answers: only %+v was silent", g, silent)
		}
	}
}

// isAbout reports whether a good answer is about a part of a scope.
func isAbout(a coverage.Answer, s coverage.Scope) bool {
	switch {
	case s == coverage.Scope{}:
		return true
	case a.Operation == coverage.Lookup:
		return slices.ContainsFunc(a.Sessions, func(j diff.Session) bool { return contains(s, j.WorkerKey) && slices.Contains(a.Found, j.SessionID) })
	case a.Operation == coverage.BatchGetWorker:
		return slices.ContainsFunc(a.Shown, func(k diff.WorkerKey) bool { return owns(k.WorkerID) && contains(s, k) })
	case a.Operation == coverage.ListSessionsForWorker:
		return contains(s, a.Workers[0]) && (s.WorkerID == "" || !a.UnderWay)
	case s.WorkerID != "":
		return slices.Contains(a.Shown, diff.WorkerKey(s))
	}
	return a.Farm != "" && contains(s, coverage.Scope{FarmID: a.Farm, FleetID: a.Fleet})
}
