package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// Found is what discovery has found since the process began. It does not change: a later call of
// Poller.Found returns a newer one. Its times are by the service's clock.
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
	CreatedAt time.Time // zero if not known, because the fleet was configured and not listed
	// FirstLook is the Date of the answer in which this process first saw the fleet: of ListFleets, or of
	// ListWorkers for a fleet that was configured. It is set before any of the fleet's workers is asked
	// about.
	FirstLook time.Time
}

// directory is what discovery knows. The loop owns it.
type directory struct {
	found  Found
	fleets map[string]*knownFleet
	dirty  bool // found has changed since the last snapshot
}

// knownFleet has the workers of a fleet.
type knownFleet struct {
	farm    string
	workers map[string]*knownWorker
}

type knownWorker struct {
	key        diff.WorkerKey
	status     *diff.WorkerStatus // replaced, never changed
	callNumber uint64             // of the call that last showed it
}

func newDirectory() *directory {
	return &directory{
		found:  Found{Farms: make(map[string]FoundFarm), Fleets: make(map[string]FoundFleet)},
		fleets: make(map[string]*knownFleet),
	}
}

// snapshot returns a copy of what was found.
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

// farmListed takes in the fleets of a complete ListFleets of a farm, as far as they are to be polled. It
// returns the fleets that are no longer shown.
func (d *directory) farmListed(farm string, listed time.Time, fleets []listedFleet) (lost []string) {
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

// show takes in a page of ListWorkers, which is part of the call with this number. It returns the workers
// of the page.
func (d *directory) show(t discoveryTarget, callNumber uint64, page workersPage) []*knownWorker {
	f := d.addFleet(t.farm, t.fleet, time.Time{}, page.date)
	shown := make([]*knownWorker, 0, len(page.workers))
	for _, w := range page.workers {
		e := f.workers[w.id]
		if e == nil {
			e = &knownWorker{key: diff.WorkerKey{FarmID: t.farm, FleetID: t.fleet, WorkerID: w.id}}
			f.workers[w.id] = e
		}
		if e.status == nil || *e.status != w.status {
			e.status = &w.status
		}
		e.callNumber = callNumber
		shown = append(shown, e)
	}
	return shown
}

// missingWorkers is called when ListWorkers was complete. It removes the workers that the call did not show,
// and returns them.
func (d *directory) missingWorkers(t discoveryTarget, callNumber uint64) (lost []diff.WorkerKey) {
	f := d.fleets[t.fleet]
	if f == nil {
		return nil
	}
	for id, w := range f.workers {
		if w.callNumber != callNumber {
			lost = append(lost, w.key)
			delete(f.workers, id)
		}
	}
	return lost
}

// removeFleet removes a fleet that does not exist any more, and returns its workers. Found keeps the fleet,
// because when it was first seen stays true.
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
