package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// Found is what discovery has found since the process began. It does not change; a later
// call of Poller.Found gives a newer one. Its times are the service's.
type Found struct {
	Farms  map[string]FoundFarm  // by farm id
	Fleets map[string]FoundFleet // by fleet id
}

// FoundFarm is a farm that discovery knows.
type FoundFarm struct {
	// Listed is when the last complete ListFleets of the farm was answered (its first page);
	// zero: never.
	Listed time.Time
}

// FoundFleet is a fleet that discovery knows.
type FoundFleet struct {
	FarmID    string
	CreatedAt time.Time // zero: not known, because the fleet was named and not listed
	// FirstLook is when the answer came in which this process first saw the fleet: of
	// ListFleets, or of ListWorkers for a fleet that was named. It is set before any of the
	// fleet's workers is asked for.
	FirstLook time.Time
}

// directory is what discovery knows. Its owner is the loop.
type directory struct {
	found  Found
	fleets map[string]*fleetEntry
	dirty  bool // found has changed since it was last handed out
}

// fleetEntry is the workers of a fleet.
type fleetEntry struct {
	farm    string
	walk    uint64 // number of the ListWorkers under way or completed last
	workers map[string]*workerEntry
}

type workerEntry struct {
	key    diff.WorkerKey
	status *diff.WorkerStatus // replaced, never changed
	walk   uint64             // in which it was last shown
}

func newDirectory() *directory {
	return &directory{
		found:  Found{Farms: make(map[string]FoundFarm), Fleets: make(map[string]FoundFleet)},
		fleets: make(map[string]*fleetEntry),
	}
}

// snapshot is a copy of what was found.
func (d *directory) snapshot() *Found {
	d.dirty = false
	f := &Found{Farms: make(map[string]FoundFarm, len(d.found.Farms)), Fleets: make(map[string]FoundFleet, len(d.found.Fleets))}
	for id, farm := range d.found.Farms {
		f.Farms[id] = farm
	}
	for id, fleet := range d.found.Fleets {
		f.Fleets[id] = fleet
	}
	return f
}

// farmListed takes in a complete ListFleets of a farm, of which the named fleets count (all,
// if none is named), and gives the fleets that it shows no longer.
func (d *directory) farmListed(farm string, listed time.Time, fleets []fleetShown) (lost []string) {
	d.dirty = true
	d.found.Farms[farm] = FoundFarm{Listed: listed}
	shown := make(map[string]bool, len(fleets))
	for _, f := range fleets {
		shown[f.id] = true
		d.addFleet(farm, f.id, f.createdAt, f.date)
	}
	for id, f := range d.fleets {
		if f.farm == farm && !shown[id] {
			lost = append(lost, id)
		}
	}
	slices.Sort(lost)
	return lost
}

// addFleet notes a fleet. When it was first seen stays as it is.
func (d *directory) addFleet(farm, fleet string, createdAt, date time.Time) *fleetEntry {
	f := d.fleets[fleet]
	if f == nil {
		f = &fleetEntry{farm: farm, workers: make(map[string]*workerEntry)}
		d.fleets[fleet] = f
	}
	known, ok := d.found.Fleets[fleet]
	if !ok {
		d.dirty = true
		known = FoundFleet{FarmID: farm, FirstLook: date}
	}
	if known.CreatedAt.IsZero() && !createdAt.IsZero() {
		d.dirty = true
		known.CreatedAt = createdAt
	}
	d.found.Fleets[fleet] = known
	return f
}

// show takes in a page of the walk through a fleet's workers and gives its workers.
func (d *directory) show(t target, walk uint64, page workersShown) []*workerEntry {
	f := d.addFleet(t.farm, t.fleet, time.Time{}, page.date)
	f.walk = walk
	shown := make([]*workerEntry, 0, len(page.workers))
	for _, w := range page.workers {
		e := f.workers[w.id]
		if e == nil {
			e = &workerEntry{key: diff.WorkerKey{FarmID: t.farm, FleetID: t.fleet, WorkerID: w.id}}
			f.workers[w.id] = e
		}
		if e.status == nil || *e.status != w.status {
			e.status = &w.status
		}
		e.walk = walk
		shown = append(shown, e)
	}
	return shown
}

// walked takes in that the walk was complete, and gives the workers that it did not show.
// They are forgotten here.
func (d *directory) walked(t target, walk uint64) (lost []diff.WorkerKey) {
	f := d.fleets[t.fleet]
	if f == nil {
		return nil
	}
	for id, w := range f.workers {
		if w.walk != walk {
			lost = append(lost, w.key)
			delete(f.workers, id)
		}
	}
	return lost
}

// removeFleet forgets a fleet that is there no longer, and gives its workers. When it was
// first seen is kept: it is a fact.
func (d *directory) removeFleet(fleet string) (lost []diff.WorkerKey) {
	f := d.fleets[fleet]
	if f == nil {
		return nil
	}
	for _, w := range f.workers {
		lost = append(lost, w.key)
	}
	delete(d.fleets, fleet)
	return lost
}
