package farmwire

import (
	"maps"
	"time"

	"farmwire/event"
	"farmwire/poller"
)

// listedInterval is how old the stored time of a farm's last complete ListFleets may become before it is stored again.
const listedInterval = time.Minute

// renewed adds to the watch what discovery has found, removes what has been gone for long, and reports whether the result
// must be stored. A fleet that is gone already is added too, because observations of its workers may still wait to be
// published, but not if its farm is gone. The watch on a fleet begins at the fleet's creation if the fleet was created after
// the last complete ListFleets of its farm. Otherwise it begins when discovery first looked for the fleet. A fleet that has
// sessions in the snapshots is not removed, and with a fleet its empty snapshots are.
func renewed(watch event.WatchRecord, found poller.Found, snapshots *snapshots) (event.WatchRecord, bool) {
	next := watch
	next.Fleets = maps.Clone(watch.Fleets)
	if next.Fleets == nil {
		next.Fleets = map[string]event.FleetWatch{}
	}
	changed := false
	for id, fleet := range found.Fleets {
		if _, known := next.Fleets[id]; known {
			continue
		}
		if _, lacks := found.LacksFarm(fleet.FarmID); lacks {
			continue // It may be of another account, whose credentials were used until a moment ago.
		}
		since := fleet.FirstLook
		if farm, listed := watch.Farms[fleet.FarmID]; listed && !fleet.CreatedAt.Before(farm.Listed) {
			since = fleet.CreatedAt
		}
		next.Fleets[id] = event.FleetWatch{Since: since.Truncate(time.Second), Farm: fleet.FarmID}
		changed = true
	}
	var stale bool
	next.Farms, stale = renewedFarms(watch.Farms, found)
	gone := noteGone(&next, found)
	if !changed && !stale && !gone {
		return watch, false
	}
	if stale { // once a minute is often enough
		forgetGone(&next, found, snapshots)
	}
	return next, true
}

// renewedFarms returns when the fleets of each farm were last listed completely, and whether the stored times have
// become too old.
func renewedFarms(stored map[string]event.FarmWatch, found poller.Found) (map[string]event.FarmWatch, bool) {
	farms, stale := maps.Clone(stored), false
	if farms == nil {
		farms = map[string]event.FarmWatch{}
	}
	for id, farm := range found.Farms {
		if farm.Listed.IsZero() {
			continue
		}
		old, known := farms[id]
		stale = stale || !known || farm.Listed.Sub(old.Listed) >= listedInterval
		if farm.Listed.After(old.Listed) {
			farms[id] = event.FarmWatch{Listed: farm.Listed, Gone: old.Gone}
		}
	}
	return farms, stale
}
