package poller

import (
	"slices"
	"time"

	"farmwire/diff"
)

// Found is what discovery has found. It never changes: a later call of Poller.Found returns a newer one. Its times are
// by the service's clock.
type Found struct {
	// FarmsListed is when the first page of the last complete ListFarms was answered. It is zero if there was none,
	// or if the Config names the farms.
	FarmsListed time.Time
	Farms       map[string]FoundFarm  // by farm id: those that the last complete ListFarms showed, or those of the Config whose fleets were listed
	Fleets      map[string]FoundFleet // by fleet id: those that are listed, and those that were until a day ago
}

// LacksFarm reports whether the last complete ListFarms lacks a farm, and when its first page was answered.
func (f Found) LacksFarm(farm string) (listed time.Time, lacks bool) {
	_, shown := f.Farms[farm]
	return f.FarmsListed, !shown && !f.FarmsListed.IsZero()
}

// LacksFleet reports whether the last complete ListFleets of a fleet's farm lacks the fleet, or LacksFarm reports true,
// and when the first page of that list was answered.
func (f Found) LacksFleet(farm, fleet string) (listed time.Time, lacks bool) {
	in, shown := f.Farms[farm]
	if !shown {
		return f.LacksFarm(farm)
	}
	known, found := f.Fleets[fleet]
	return in.Listed, !in.Listed.IsZero() && !in.Unselected[fleet] && (!found || known.Gone)
}

// FoundFarm is a farm that discovery has found.
type FoundFarm struct {
	// Listed is when the first page of the last complete ListFleets of the farm was answered. It is zero
	// if there was none.
	Listed     time.Time
	Unselected map[string]bool // the ids of the fleets that this list showed and that are not polled, because the Config names others; never changed
}

// FoundFleet is a fleet that discovery has found.
type FoundFleet struct {
	FarmID    string
	CreatedAt time.Time // zero if it is not known, because the fleet is named by the Config and was not listed
	// FirstLook is the Date of the answer that first showed the fleet: to ListFleets or, for a fleet that is
	// named by the Config, to ListWorkers. It is known before any of the fleet's workers is listed.
	FirstLook time.Time
	Gone      bool // complete lists do not show the fleet any more

	goneAt time.Time // when it was found to be gone, by this host's clock
}

// goneFor is how long Found keeps a fleet that is gone. Observations of its workers may still wait to be published.
const goneFor = 24 * time.Hour

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
	f := &Found{FarmsListed: d.found.FarmsListed, Farms: make(map[string]FoundFarm, len(d.found.Farms)), Fleets: make(map[string]FoundFleet, len(d.found.Fleets))}
	for id, farm := range d.found.Farms {
		f.Farms[id] = farm
	}
	for id, fleet := range d.found.Fleets {
		f.Fleets[id] = fleet
	}
	return f
}

// farmsListed takes in a complete ListFarms. It returns the farms that are new.
func (d *directory) farmsListed(listed time.Time, farms []string) (appeared []string) {
	d.dirty = true
	d.found.FarmsListed = listed
	shown := make(map[string]bool, len(farms))
	for _, farm := range farms {
		shown[farm] = true
		if _, known := d.found.Farms[farm]; !known {
			d.found.Farms[farm] = FoundFarm{}
			appeared = append(appeared, farm)
		}
	}
	for farm := range d.found.Farms {
		if !shown[farm] {
			delete(d.found.Farms, farm)
		}
	}
	return appeared
}

// farmListed takes in a complete ListFleets of a farm. Fleets are those that are to be polled. It returns the fleets
// of the farm that are new, and those that are not shown any more.
func (d *directory) farmListed(farm string, in FoundFarm, fleets []listedFleet) (appeared, missing []string) {
	d.dirty = true
	d.found.Farms[farm] = in
	shown := make(map[string]bool, len(fleets))
	for _, f := range fleets {
		shown[f.id] = true
		if d.fleets[f.id] == nil {
			appeared = append(appeared, f.id)
		}
		d.addFleet(farm, f.id, f.createdAt, f.date)
	}
	for id, f := range d.fleets {
		if f.farm == farm && !shown[id] {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return appeared, missing
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
	if known.Gone {
		d.dirty = true
		known.Gone, known.goneAt = false, time.Time{}
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

// removeFleet removes a fleet that does not exist any more, and returns its workers. Found keeps the fleet for
// goneFor.
func (d *directory) removeFleet(fleet string, now time.Time) (workers []diff.WorkerKey) {
	f := d.fleets[fleet]
	if f == nil {
		return nil
	}
	d.dirty = true
	known := d.found.Fleets[fleet]
	known.Gone, known.goneAt = true, now
	d.found.Fleets[fleet] = known
	for _, w := range f.workers {
		workers = append(workers, w.key)
	}
	delete(d.fleets, fleet)
	return workers
}

// forgetGone removes from Found the fleets that have been gone for goneFor.
func (d *directory) forgetGone(now time.Time) {
	for id, f := range d.found.Fleets {
		if f.Gone && now.Sub(f.goneAt) >= goneFor {
			d.dirty = true
			delete(d.found.Fleets, id)
		}
	}
}
