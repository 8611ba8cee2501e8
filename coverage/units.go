package coverage

import (
	"slices"

	"farmwire/diff"
)

// level returns what is known of a scope that is no worker. If it is not known, it takes its looks from the level above, which
// lacked it until now.
func (t *Tracker) level(s Scope) *level {
	if l := t.levels[s]; l != nil {
		return l
	}
	l := &level{Scope: s}
	if (s != Scope{}) {
		higher := t.level(above(s))
		l.looks = higher.looks
		if higher.listed == 0 {
			l.answers = t.unknownAnswers()
		}
	}
	t.levels[s] = l
	return l
}

// addWorker adds a worker that is not known. It takes its looks from its fleet.
func (t *Tracker) addWorker(key diff.WorkerKey) *worker {
	fleet := t.level(fleetOf(key))
	w := &worker{WorkerKey: key, looks: fleet.looks}
	if fleet.listed == 0 {
		w.answers = t.unknownAnswers()
	}
	t.workers[key] = w
	return w
}

// forget drops a worker of which nothing is known, and the gaps that concern only it.
func (t *Tracker) forget(w *worker, now moment) {
	if t.exists(w.WorkerKey) {
		return
	}
	t.closeGone(w.WorkerKey, now)
	delete(t.missed, w.WorkerKey)
	for c := range channels {
		delete(t.bad, failingPart{w.WorkerKey, c})
	}
	if w.gone != 0 {
		return
	}
	delete(t.workers, w.WorkerKey)
	for s := fleetOf(w.WorkerKey); (s != Scope{}) && !t.exists(s); s = above(s) {
		t.forgetLevel(s, now)
	}
}

// forgetLevel drops a farm or fleet that does not exist any more, and the gaps that concern only it.
func (t *Tracker) forgetLevel(s Scope, now moment) {
	t.closeGone(s, now)
	for c := range channels {
		delete(t.bad, failingPart{s, c})
	}
	delete(t.levels, s)
}

// exists reports whether a scope is still there: discovery shows it or something in it, or there are open sessions in it.
func (t *Tracker) exists(s Scope) bool {
	if s.WorkerID != "" {
		w := t.workers[s]
		return w != nil && (w.isUnit || len(w.sessions) > 0)
	}
	if (s == Scope{}) {
		return true
	}
	for key, l := range t.levels {
		if l.isUnit && contains(s, key) {
			return true
		}
	}
	for key, w := range t.workers {
		if contains(s, key) && (w.isUnit || len(w.sessions) > 0) {
			return true
		}
	}
	return false
}

// noteTarget takes in that a list of a farm or fleet is answered. It may have been found before the Tracker was made, and then it
// exists until a complete list lacks it.
func (t *Tracker) noteTarget(a *Answer) {
	if a.Operation != ListFleets && a.Operation != ListWorkers {
		return
	}
	target := Scope{FarmID: a.Farm, FleetID: a.Fleet}
	if !t.mayExist(target) {
		return
	}
	for s := target; (s != Scope{}); s = above(s) {
		if l := t.level(s); !l.isUnit && t.isAsked(s) {
			l.looks, l.isUnit = t.level(above(s)).looks, true
		}
	}
}

// mayExist reports whether no complete list lacks a farm or fleet.
func (t *Tracker) mayExist(s Scope) bool {
	if l := t.levels[s]; (s == Scope{}) || l != nil && l.isUnit {
		return true
	}
	higher := t.levels[above(s)]
	return (higher == nil || higher.listed == 0) && t.mayExist(above(s))
}

// noteShown takes in the statuses that an answer shows. Only lists make a worker known.
func (t *Tracker) noteShown(a *Answer, at moment, l *list) {
	for _, key := range a.Shown {
		if !t.config.Owns(key.WorkerID) {
			continue
		}
		w, fleet := t.workers[key], t.levels[fleetOf(key)]
		if w != nil && w.asked[0].number != 0 && (w.gone != 0 || fleet != nil && w.shown < fleet.last) {
			w.lacked = true
		}
		if a.Operation == ListWorkers && l != nil && fleet != nil && fleet.isUnit {
			w = t.showWorker(key, a.List)
		}
		if w != nil && w.isUnit {
			w.noteStatus(a.Number, at, slices.Contains(a.Awaiting, key))
		}
	}
}

// showWorker takes in that a list shows a worker.
func (t *Tracker) showWorker(key diff.WorkerKey, list uint64) *worker {
	w := t.workers[key]
	switch {
	case w == nil:
		w = t.addWorker(key)
	case !w.isUnit && w.gone == 0: // it is known by its sessions
		w.looks = t.level(fleetOf(key)).looks
		w.asked, w.lacked = [2]asking{}, false
	case !w.isUnit: // it only seemed to be gone
		w.gone = 0
	}
	t.unstored = t.unstored || !w.isUnit
	w.isUnit = true
	w.shown = max(w.shown, list)
	return w
}

// noteDiscovered takes in a page of a list of discovery, and what a complete one lacks.
func (t *Tracker) noteDiscovered(a *Answer, at moment, l *list) {
	if !a.Operation.isDiscovery() || a.Operation == BatchGetWorker || l == nil {
		return
	}
	target := t.levels[Scope{FarmID: a.Farm, FleetID: a.Fleet}]
	if target == nil || !target.isUnit {
		return // a complete list lacks it meanwhile
	}
	show := func(s Scope) {
		shown := t.level(s)
		if !shown.isUnit {
			shown.looks, shown.isUnit = target.looks, true
		}
		shown.shown = max(shown.shown, a.List)
	}
	for _, farm := range a.Farms {
		show(Scope{FarmID: farm})
	}
	for _, fleet := range a.Fleets {
		show(Scope{FarmID: a.Farm, FleetID: fleet})
	}
	if !a.Complete || l.partial {
		return
	}
	// What one list of several pages lacks may have moved from page to page. What two in a row lack is gone.
	newest := a.List
	if l.pages > 1 {
		newest = target.last
	}
	for s, lower := range t.levels {
		if above(s) == target.Scope && s != target.Scope && lower.isUnit && lower.shown < newest {
			t.levelGone(s, at)
		}
	}
	if a.Operation == ListWorkers {
		for key, w := range t.workers {
			if fleetOf(key) == target.Scope && w.isUnit && w.shown < newest {
				t.workerGone(w, at)
			}
		}
	}
	target.last = a.List
	target.noteList(l.begin, l.pages)
}

// noteList takes in a complete list of what is in a farm or fleet, or of the farms.
func (l *level) noteList(first moment, pages int) {
	at := lookOf(&l.listed, first, pages)
	l.looks[announced].note(at)
	l.looks[starts].note(at)
}

// levelGone takes in that a complete list lacks a farm or a fleet.
func (t *Tracker) levelGone(gone Scope, at moment) {
	for s, l := range t.levels {
		if contains(gone, s) {
			l.isUnit, l.listed, l.last = false, 0, 0
		}
	}
	for key, w := range t.workers {
		if contains(gone, key) && w.isUnit {
			t.workerGone(w, at)
		}
	}
	for s := range t.levels {
		if contains(gone, s) && !t.exists(s) {
			t.forgetLevel(s, at)
		}
	}
}

// workerGone takes in that a complete list lacks a worker. Until that is published it holds back the watermarks, so that a
// successor says the same.
func (t *Tracker) workerGone(w *worker, at moment) {
	w.isUnit, w.gone = false, max(at, w.looks[starts].at) // the list may have been asked for before a listing
	fleet := fleetOf(w.WorkerKey)
	if t.deleted[fleet] == 0 {
		t.deleted[fleet] = at
	}
	t.forget(w, at)
}

// deletedEvery is how long the deleted workers of a fleet are collected, and deletedWorkers how many one record names at most.
const (
	deletedEvery   = moment(60e9)
	deletedWorkers = 1000
)

// deletedDue reports whether deleted workers are to be published.
func (t *Tracker) deletedDue(now moment) bool {
	for _, since := range t.deleted {
		if now-since >= deletedEvery {
			return true
		}
	}
	return false
}

// takeDeleted makes gaps of the deleted workers that have waited long enough, or of all.
func (t *Tracker) takeDeleted(now moment, all bool) {
	if len(t.deleted) == 0 || !all && !t.deletedDue(now) {
		return
	}
	of := make(map[Scope][]*worker)
	for _, w := range t.workers {
		if fleet := fleetOf(w.WorkerKey); w.gone != 0 && (all || now-t.deleted[fleet] >= deletedEvery) {
			of[fleet] = append(of[fleet], w)
		}
	}
	for fleet, since := range t.deleted {
		if all || now-since >= deletedEvery {
			delete(t.deleted, fleet)
		}
	}
	fleets := make([]Scope, 0, len(of))
	for fleet := range of {
		fleets = append(fleets, fleet)
	}
	slices.SortFunc(fleets, compareKeys)
	for _, fleet := range fleets {
		slices.SortFunc(of[fleet], func(a, b *worker) int { return compareKeys(a.WorkerKey, b.WorkerKey) })
		for part := range slices.Chunk(of[fleet], deletedWorkers) {
			t.publishDeleted(fleet, part)
		}
	}
}

func (t *Tracker) publishDeleted(fleet Scope, workers []*worker) {
	g := Gap{Reason: Deleted, Affects: Affects{Starts: true}, Scope: fleet, Workers: make(map[string]Period, len(workers))}
	var from, to moment
	for i, w := range workers {
		at := w.looks[starts].at
		if i == 0 || at < from {
			from = at
		}
		to = max(to, w.gone)
		g.Workers[w.WorkerID] = Period{at.time(), w.gone.time()}
		w.gone = 0
		t.forget(w, to)
	}
	t.publishClosed(g, from, to)
}
