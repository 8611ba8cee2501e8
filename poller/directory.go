package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// Found is what discovery has found since the Poller was made. It never changes: a later call of Poller.Found
// returns a newer one. Its times are by the service's clock.
type Found struct {
	Farms  map[string]FoundFarm  // by farm id
	Fleets map[string]FoundFleet // by fleet id
}

// FoundFarm is a farm that discovery has found.
type FoundFarm struct {
	// Listed is when the first page of the last complete ListFleets of the farm was answered. It is zero
	// if there was none.
	Listed time.Time
}

// FoundFleet is a fleet that discovery has found.
type FoundFleet struct {
	FarmID    string
	CreatedAt time.Time // zero if it is not known, because the fleet is named by the Config and was not listed
	// FirstLook is the Date of the answer that first showed the fleet: to ListFleets or, for a fleet that is
	// named by the Config, to ListWorkers. It is known before any of the fleet's workers is listed.
	FirstLook time.Time
}

// directory is what discovery knows. The loop owns it.
type directory struct {
	found  Found
	fleets map[string]*knownFleet
	dirty  bool // found has changed since the last copy
}

// knownFleet is a fleet with its workers.
type knownFleet struct {
	farm    string
	workers map[string]*knownWorker
}

// knownWorker is a worker that the last ListWorkers of its fleet showed.
type knownWorker struct {
	key        diff.WorkerKey
	status     *diff.WorkerStatus // never changed, only replaced, because observations share it
	callNumber uint64             // of the call that last showed the worker
}

func newDirectory() *directory {
	return &directory{
		found:  Found{Farms: make(map[string]FoundFarm), Fleets: make(map[string]FoundFleet)},
		fleets: make(map[string]*knownFleet),
	}
}

// copyFound returns a copy of what was found.
func (d *directory) copyFound() *Found {
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

// farmListed takes in those fleets of a complete ListFleets of a farm that are to be polled. It returns the
// fleets of the farm that are not shown any more.
func (d *directory) farmListed(farm string, listed time.Time, fleets []listedFleet) (missing []string) {
	d.dirty = true
	d.found.Farms[farm] = FoundFarm{Listed: listed}
	shown := make(map[string]bool, len(fleets))
	for _, f := range fleets {
		shown[f.id] = true
		d.addFleet(farm, f.id, f.createdAt, f.date)
	}
	for id, f := range d.fleets {
		if f.farm == farm && !shown[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return missing
}

// addFleet adds a fleet if it is new. The date is that of the answer that shows it.
func (d *directory) addFleet(farm, fleet string, createdAt, date time.Time) *knownFleet {
	f := d.fleets[fleet]
	if f == nil {
		f = &knownFleet{farm: farm, workers: make(map[string]*knownWorker)}
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

// show takes in a page of the ListWorkers call with this number, and returns the workers of the page.
func (d *directory) show(t discoveryTarget, callNumber uint64, page workersPage) []*knownWorker {
	f := d.addFleet(t.farm, t.fleet, time.Time{}, page.date)
	shown := make([]*knownWorker, 0, len(page.workers))
	for _, w := range page.workers {
		known := f.workers[w.id]
		if known == nil {
			known = &knownWorker{key: diff.WorkerKey{FarmID: t.farm, FleetID: t.fleet, WorkerID: w.id}}
			f.workers[w.id] = known
		}
		if known.status == nil || *known.status != w.status {
			known.status = &w.status
		}
		known.callNumber = callNumber
		shown = append(shown, known)
	}
	return shown
}

// removeMissing takes in that the ListWorkers call with this number was complete. It removes the workers of
// the fleet that the call did not show, and returns them.
func (d *directory) removeMissing(t discoveryTarget, callNumber uint64) (missing []diff.WorkerKey) {
	f := d.fleets[t.fleet]
	if f == nil {
		return nil
	}
	for id, w := range f.workers {
		if w.callNumber != callNumber {
			missing = append(missing, w.key)
			delete(f.workers, id)
		}
	}
	return missing
}

// removeFleet removes a fleet that does not exist any more, and returns its workers. Found keeps the fleet,
// because the time of the first look stays true.
func (d *directory) removeFleet(fleet string) (workers []diff.WorkerKey) {
	f := d.fleets[fleet]
	if f == nil {
		return nil
	}
	for _, w := range f.workers {
		workers = append(workers, w.key)
	}
	delete(d.fleets, fleet)
	return workers
}
