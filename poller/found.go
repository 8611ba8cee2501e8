package poller

import (
	"maps"
	"time"
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

// directory is what discovery has found. The loop owns it.
type directory struct {
	found Found
	dirty bool // found has changed since the last copy
}

func newDirectory() *directory {
	return &directory{found: Found{Farms: make(map[string]FoundFarm), Fleets: make(map[string]FoundFleet)}}
}

// copyFound returns a copy of what was found.
func (d *directory) copyFound() *Found {
	d.dirty = false
	return &Found{FarmsListed: d.found.FarmsListed, Farms: maps.Clone(d.found.Farms), Fleets: maps.Clone(d.found.Fleets)}
}

// has reports whether a fleet is listed, and in this farm.
func (d *directory) has(farm, fleet string) bool {
	f, found := d.found.Fleets[fleet]
	return found && f.FarmID == farm && !f.Gone
}

// farmsListed takes in a complete ListFarms. It returns the farms that are new. The fleets of those that are not shown any
// more are gone.
func (d *directory) farmsListed(l *list, now time.Time) (appeared []string) {
	d.dirty = true
	d.found.FarmsListed = l.date
	shown := make(map[string]bool, len(l.farms))
	for _, farm := range l.farms {
		shown[farm] = true
		if _, known := d.found.Farms[farm]; !known {
			d.found.Farms[farm] = FoundFarm{}
			appeared = append(appeared, farm)
		}
	}
	maps.DeleteFunc(d.found.Farms, func(farm string, _ FoundFarm) bool { return !shown[farm] })
	d.removeFleets(func(_ string, f FoundFleet) bool { return !shown[f.FarmID] }, now)
	return appeared
}

// fleetsListed takes in a complete ListFleets of a farm. It returns the fleets of the farm that are new. Those that are not
// shown any more are gone.
func (d *directory) fleetsListed(l *list, now time.Time) (appeared []string) {
	d.dirty = true
	d.found.Farms[l.Farm] = FoundFarm{Listed: l.date, Unselected: l.unselected}
	shown := make(map[string]bool, len(l.fleets))
	for _, f := range l.fleets {
		shown[f.id] = true
		if known, ok := d.found.Fleets[f.id]; !ok || known.Gone {
			appeared = append(appeared, f.id)
		}
		d.addFleet(l.Farm, f)
	}
	d.removeFleets(func(id string, f FoundFleet) bool { return f.FarmID == l.Farm && !shown[id] }, now)
	return appeared
}

// addFleet takes in that an answer shows a fleet.
func (d *directory) addFleet(farm string, f listedFleet) {
	known, ok := d.found.Fleets[f.id]
	old := known
	if !ok {
		known = FoundFleet{FarmID: farm, FirstLook: f.date}
	}
	if known.CreatedAt.IsZero() {
		known.CreatedAt = f.createdAt
	}
	known.Gone, known.goneAt = false, time.Time{}
	if known != old {
		d.dirty = true
		d.found.Fleets[f.id] = known
	}
}

// removeFleets takes in that some fleets do not exist any more. Found keeps them for goneFor.
func (d *directory) removeFleets(which func(id string, f FoundFleet) bool, now time.Time) {
	for id, f := range d.found.Fleets {
		switch {
		case !f.Gone && which(id, f):
			f.Gone, f.goneAt = true, now
			d.found.Fleets[id] = f
		case f.Gone && now.Sub(f.goneAt) >= goneFor:
			delete(d.found.Fleets, id)
		}
	}
}

// lists reports whether discovery may still list something: all farms, the fleets of a farm that is known or was never looked
// for, or the workers of a fleet that is known or was never looked for.
func (d *directory) lists(l *list) bool {
	if _, lacks := d.found.LacksFarm(l.Farm); l.Farm != "" && lacks {
		return false
	}
	_, lacks := d.found.LacksFleet(l.Farm, l.Fleet)
	return l.Fleet == "" || !lacks
}
