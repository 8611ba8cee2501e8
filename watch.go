package farmwire

import (
	"context"
	"maps"
	"time"

	"farmwire/poller"
	"farmwire/publisher"
)

// How old the stored time of a farm's last complete listing of fleets may grow.
const listedInterval = time.Minute

// renewWatch stores the fleets that discovery found since the last look, before any of their listings is
// compared.
func (w *wire) renewWatch(ctx context.Context, log shardWriter, watch publisher.Watch) (publisher.Watch, error) {
	next, changed := renewed(watch, w.poller.Found())
	if !changed {
		return watch, nil
	}
	return next, log.PublishWatch(ctx, next)
}

// renewed is the watch with what was found, and whether that must be stored. A fleet that was created after
// its farm's fleets had been listed completely is watched from its creation, any other from its first look.
func renewed(watch publisher.Watch, found poller.Found) (publisher.Watch, bool) {
	next := watch
	next.Fleets = maps.Clone(watch.Fleets)
	if next.Fleets == nil {
		next.Fleets = map[string]publisher.FleetWatch{}
	}
	changed := false
	for id, fleet := range found.Fleets {
		if _, known := next.Fleets[id]; known {
			continue
		}
		since := fleet.FirstLook
		if farm, listed := watch.Farms[fleet.FarmID]; listed && !fleet.CreatedAt.Before(farm.Listed) {
			since = fleet.CreatedAt
		}
		next.Fleets[id] = publisher.FleetWatch{Since: since.Truncate(time.Second)}
		changed = true
	}
	farms, stale := renewedFarms(watch.Farms, found)
	if !changed && !stale {
		return watch, false
	}
	next.Farms = farms
	return next, true
}

// renewedFarms is when each farm's fleets were last listed completely, and whether the stored times have
// grown too old.
func renewedFarms(stored map[string]publisher.FarmWatch, found poller.Found) (map[string]publisher.FarmWatch, bool) {
	farms, stale := maps.Clone(stored), false
	if farms == nil {
		farms = map[string]publisher.FarmWatch{}
	}
	for id, farm := range found.Farms {
		if farm.Listed.IsZero() {
			continue
		}
		old, known := farms[id]
		stale = stale || !known || farm.Listed.Sub(old.Listed) >= listedInterval
		if farm.Listed.After(old.Listed) {
			farms[id] = publisher.FarmWatch{Listed: farm.Listed}
		}
	}
	return farms, stale
}
