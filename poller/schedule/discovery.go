package schedule

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"farmwire/diff"
)

// targetKey identifies what discovery lists: all farms, if both identifiers are empty; the fleets of a farm, if only the
// fleet is empty; else the workers of a fleet.
type targetKey struct{ farm, fleet string }

// kind returns the kind of the calls that list the target.
func (k targetKey) kind() Kind {
	switch {
	case k.farm == "":
		return ListFarms
	case k.fleet == "":
		return ListFleets
	}
	return ListWorkers
}

// shows reports whether the target shows a fleet's workers, its farm's fleets or its farm.
func (k targetKey) shows(f fleetKey) bool {
	return k.farm == "" || k.farm == f.farm && (k.fleet == "" || k.fleet == f.fleet)
}

// target is a list that discovery reads again and again. Each is due at a time of its own, so that one that fails or is slow
// delays no other. If the budget is too small, all are read less often. There are few targets, so going through all of them
// is cheap.
type target struct {
	targetKey
	task      *task           // that is under way; nil if there is none
	ids       map[string]bool // the farms or fleets on the pages of the task so far
	due       time.Time       // the next task
	begun     time.Time       // when the last task began
	completed time.Time       // when the last task began that listed everything
	interval  time.Duration   // between the beginnings of the last two such tasks
	pages     int             // of the last such task
	failures  int             // in a row
	reason    Reason          // of the last failure
	notFound  string          // farm or fleet: the last answer was that it does not exist
}

// addConfiguredTargets adds the targets that the configuration names: fleets, farms, or else all farms.
func (s *Schedule) addConfiguredTargets(now time.Time) {
	c := s.config
	switch {
	case len(c.Farms) == 0:
		s.addTarget(targetKey{}, now)
	case len(c.Farms) == 1 && len(c.Fleets) > 0:
		for _, fleet := range c.Fleets {
			s.addTarget(targetKey{farm: c.Farms[0], fleet: fleet}, now)
		}
	default:
		for _, farm := range c.Farms {
			s.addTarget(targetKey{farm: farm}, now)
		}
	}
}

// addTarget adds a target, which is due at once.
func (s *Schedule) addTarget(k targetKey, now time.Time) {
	if _, ok := s.targets[k]; !ok {
		s.targets[k] = &target{targetKey: k, due: now}
	}
}

// keepTargets removes the targets that a complete list does not show. The list is that of all farms or, if above is a farm,
// that of its fleets.
func (s *Schedule) keepTargets(above targetKey, listed map[string]bool) {
	for k := range s.targets {
		switch above.kind() {
		case ListFarms:
			if k.farm != "" && !listed[k.farm] {
				delete(s.targets, k)
			}
		case ListFleets:
			if k.farm == above.farm && k.fleet != "" && !listed[k.fleet] {
				delete(s.targets, k)
			}
		}
	}
}

// discovery returns the list whose page goes first. Further pages of lists under way, and lists that are due, have every
// second turn if there are both, so that a list whose pages do not end delays no other by much.
func (c *choice) discovery() *task {
	var page, due *target
	for _, t := range c.s.targets {
		first := &due
		if t.task != nil {
			first = &page
		}
		if c.mayList(t) && (*first == nil || t.goesBefore(*first)) {
			*first = t
		}
	}
	switch {
	case page != nil && (due == nil || !c.s.listHadPage):
		c.s.listHadPage = true
		return page.task
	case due != nil:
		c.s.listHadPage = false
		return due.next(c.now)
	}
	return nil
}

// goesBefore reports whether the next request for the target has waited longer than that for another one.
func (t *target) goesBefore(other *target) bool {
	return cmp.Or(t.since().Compare(other.since()), strings.Compare(t.farm, other.farm), strings.Compare(t.fleet, other.fleet)) < 0
}

// since returns since when the next request for the target waits.
func (t *target) since() time.Time {
	if t.task != nil {
		return t.task.answered
	}
	return t.due
}

// mayList reports whether a page of the target may be asked for.
func (c *choice) mayList(t *target) bool {
	switch {
	case t.task != nil && t.task.inFlight:
		return false
	case t.task != nil && t.task.notBefore.After(c.now):
		c.wait(t.task.notBefore)
		return false
	case t.task == nil && t.due.After(c.now):
		c.wait(t.due)
		return false
	case t.task == nil && t.failures > 0 && c.s.again[forDiscovery] >= againLists:
		return false
	}
	return c.can(t.kind())
}

// next begins a task.
func (t *target) next(now time.Time) *task {
	t.task = &task{kind: t.kind(), target: t, again: t.failures > 0, page: 1, limit: maxPages}
	t.begun, t.ids = now, make(map[string]bool)
	return t.task
}

// firstCall returns the call that a Schedule makes that owns no shard: the first call of discovery, again and again, until a
// usable answer shows a farm. After that it sends nothing, because the API budget belongs to the instances that own shards.
// As soon as it is answered that there is no farm, it asks only as often as discovery does.
func (c *choice) firstCall() *task {
	s := c.s
	if s.farmShown || len(s.flights) > 0 {
		return nil
	}
	if t := s.firstList; t != nil { // its next page may show a farm
		if !c.can(t.kind) {
			return nil
		}
		return t
	}
	pause := firstAnswerEvery
	if s.answered {
		pause = max(pause, s.config.Discovery)
	}
	if next := s.firstAskedAt.Add(pause); !s.firstAskedAt.IsZero() && next.After(c.now) {
		c.wait(next)
		return nil
	}
	s.budget.setShare(1, s.config.Shards, c.now)
	for _, t := range s.targets {
		if t.task == nil && c.can(t.kind()) {
			s.firstAskedAt = c.now
			return &task{kind: t.kind(), target: t, untilFarm: true, page: 1, limit: maxPages}
		}
	}
	return nil
}

// firstAnswerEvery is the least time between two calls of firstCall before there was a usable answer.
const firstAnswerEvery = time.Second

// showPage takes in a page of a list of discovery.
func (s *Schedule) showPage(t *task, a Answer, now time.Time, o *Outcome) {
	for _, id := range append(a.Farms, a.Fleets...) {
		t.target.ids[id] = true
	}
	if t.kind != ListWorkers {
		return
	}
	f := s.fleet(fleetKey(t.target.targetKey))
	for _, w := range a.Workers {
		known := f.shown[w.ID]
		if isNewer := !t.sent.Before(known.sent); isNewer {
			known.sent = t.sent
			if known.status == nil || *known.status != w.Status {
				known.status = &diff.WorkerStatus{Status: w.Status.Status, HostName: w.Status.HostName}
			}
		}
		known.list = t.list
		f.shown[w.ID] = known
		if sh := s.shards[s.config.Shard(w.ID)]; sh != nil {
			s.noteAwaiting(s.workerShown(f, w.ID, sh, known.status, t.sent, now), o)
		}
	}
}

// discoveryDone takes in the last answer to a list of discovery.
func (s *Schedule) discoveryDone(t *task, a Answer, now time.Time, o *Outcome) {
	g := t.target
	g.task, g.notFound = nil, a.NotFound
	note := Note{Operation: t.kind, Worker: diff.WorkerKey{FarmID: g.farm, FleetID: g.fleet}, Reason: a.Reason}
	switch {
	case a.Reason == Cancelled:
		g.due = now
		return
	case a.Reason != "":
		g.failures, g.reason = g.failures+1, a.Reason
		g.due = now.Add(min(s.config.Discovery, backoff(g.failures, s.random)))
		if g.failures == 1 {
			note.Kind = ListFails
			o.Notes = append(o.Notes, note)
		}
		if g.failures == failingAfter {
			s.queueUnsure(g.targetKey, now)
		}
		return
	}
	if g.failures > 0 {
		note.Kind = ListWorks
		o.Notes = append(o.Notes, note)
	}
	if !g.completed.IsZero() {
		g.interval = g.begun.Sub(g.completed)
	}
	g.failures, g.reason, g.completed, g.pages = 0, "", g.begun, t.page
	g.due = g.begun.Add(jitter(s.discoveryPause(g), s.random.Float64()))
	s.showPage(t, a, now, o)
	s.listDone(t, now)
	s.settle()
}

// listDone takes in that a list of discovery is complete.
func (s *Schedule) listDone(t *task, now time.Time) {
	g, ids := t.target, t.target.ids
	g.ids = nil
	switch t.kind {
	case ListFarms:
		for id := range ids {
			s.addTarget(targetKey{farm: id}, now)
		}
		s.keepTargets(g.targetKey, ids)
		s.missingWhere(func(k fleetKey) bool { return !ids[k.farm] }, now)
	case ListFleets:
		for id := range ids {
			s.addTarget(targetKey{farm: g.farm, fleet: id}, now)
		}
		s.keepTargets(g.targetKey, ids)
		s.missingWhere(func(k fleetKey) bool { return k.farm == g.farm && !ids[k.fleet] }, now)
	case ListWorkers:
		f := s.fleet(fleetKey(g.targetKey))
		s.workersListed(f, t.list, now)
	}
}

// workersListed takes in that a list of the workers of a fleet is complete. Those that are only known from snapshots are
// missing, too, if it does not show them.
func (s *Schedule) workersListed(f *fleet, list uint64, now time.Time) {
	var lacks []string
	for id, w := range f.shown {
		if w.list != list {
			lacks = append(lacks, id)
		}
	}
	slices.Sort(lacks) // so that the same answers always lead to the same calls
	forAll(s, lacks, now, func(id string, now time.Time) {
		if f.shown[id].list > list {
			return // a later list shows the worker
		}
		delete(f.shown, id)
		if w := f.workers[id]; w != nil {
			s.workerMissing(w, now)
		}
		s.forgetFleet(f)
	})
	if len(s.unknown) > 0 {
		forAll(s, slices.Collect(maps.Values(f.workers)), now, s.workerMissing)
	}
	s.forgetFleet(f)
}

// missingWhere takes in that some fleets do not exist any more, and so none of their workers.
func (s *Schedule) missingWhere(where func(fleetKey) bool, now time.Time) {
	for _, f := range append([]*fleet(nil), s.order...) {
		if where(f.fleetKey) {
			clear(f.shown)
			forAll(s, slices.Collect(maps.Values(f.workers)), now, s.workerMissing)
			s.forgetFleet(f)
		}
	}
}

// discoveryFailing reports whether anything that would show a fleet's workers is failing: the list of the fleet's workers, of
// its farm's fleets, or of all farms.
func (s *Schedule) discoveryFailing(k fleetKey) bool {
	for _, above := range [...]targetKey{{}, {farm: k.farm}, targetKey(k)} {
		if t := s.targets[above]; t != nil && t.failures >= failingAfter {
			return true
		}
	}
	return false
}

const (
	discoveryPart    = 0.05            // of the budget, that discovery should take where statuses are swept
	longestDiscovery = 5 * time.Minute // between two lists of the same, if the budget suffices
)

// discoveryPause returns the time between two lists of a target. Where a sweep shows the statuses of workers, discovery only
// has to find what is new, and is less often the larger it is.
func (s *Schedule) discoveryPause(g *target) time.Duration {
	f := s.farms[g.farm]
	if f != nil && !f.sweepsStatuses(g.begun) && !s.isTight {
		return s.config.Discovery
	}
	pages := 0
	for _, other := range s.targets {
		pages += max(1, other.pages)
	}
	pause := time.Duration(float64(pages) / (discoveryPart * s.budget.pace(g.kind())) * float64(time.Second))
	return max(s.config.Discovery, min(pause, longestDiscovery))
}
