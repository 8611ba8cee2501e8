package farmwire

import (
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"farmwire/diff"
	"farmwire/event"
	"farmwire/poller"
)

// forgetAfter is how long complete lists must have lacked a farm or a fleet before its watch is forgotten.
const forgetAfter = 30 * 24 * time.Hour

// noteGone notes in the watch since when complete lists lack a farm or a fleet, and which of them are listed again. It
// reports whether that has changed the watch.
func noteGone(watch *event.WatchRecord, found poller.Found) (changed bool) {
	for id, farm := range watch.Farms {
		_, shown := found.Farms[id]
		listed, lacks := found.LacksFarm(id)
		if gone := goneSince(farm.Gone, shown, lacks, listed); !gone.Equal(farm.Gone) {
			farm.Gone, changed = gone, true
			watch.Farms[id] = farm
		}
	}
	for id, fleet := range watch.Fleets {
		f, known := found.Fleets[id]
		old := fleet
		if known && fleet.Farm == "" {
			fleet.Farm = f.FarmID
		}
		listed, lacks := found.LacksFleet(fleet.Farm, id)
		fleet.Gone = goneSince(fleet.Gone, known && !f.Gone, lacks && fleet.Farm != "", listed)
		if fleet != old {
			changed = true
			watch.Fleets[id] = fleet
		}
	}
	return changed
}

// goneSince returns since when a farm or a fleet is gone: the old value, unless it is shown again, or a list lacks it for
// the first time.
func goneSince(old time.Time, shown, lacks bool, listed time.Time) time.Time {
	switch {
	case shown:
		return time.Time{}
	case lacks && old.IsZero():
		return listed.Truncate(time.Second)
	}
	return old
}

// forgetGone removes from the watch the fleets that have been gone for forgetAfter and have no session in the snapshots,
// and the farms that have been gone for as long and have no fleet left. It removes the empty snapshots of those fleets, so
// that a fleet that comes back is watched as a new one.
func forgetGone(watch *event.WatchRecord, found poller.Found, snapshots *snapshots) {
	hasSessions := make(map[string]bool)
	for s := range maps.Values(snapshots.byWorker) {
		hasSessions[s.Worker().FleetID] = hasSessions[s.Worker().FleetID] || !s.Empty()
	}
	forgotten := make(map[string]bool)
	isOver := func(gone, listed time.Time, lacks bool) bool {
		return lacks && !gone.IsZero() && listed.Sub(gone) >= forgetAfter
	}
	left := make(map[string]bool)
	for id, fleet := range watch.Fleets {
		listed, lacks := found.LacksFleet(fleet.Farm, id)
		if isOver(fleet.Gone, listed, lacks) && !hasSessions[id] {
			delete(watch.Fleets, id)
			forgotten[id] = true
		} else {
			left[fleet.Farm] = true
		}
	}
	for id, farm := range watch.Farms {
		if listed, lacks := found.LacksFarm(id); isOver(farm.Gone, listed, lacks) && !left[id] {
			delete(watch.Farms, id)
		}
	}
	if len(forgotten) > 0 {
		for worker := range snapshots.byWorker {
			if forgotten[worker.FleetID] {
				snapshots.drop(worker)
			}
		}
	}
}

// maxLoggedIDs is how many farms or fleets one log line names.
const maxLoggedIDs = 20

// logGone logs the farms and fleets that are gone in the next watch of a shard and were not before. Other shards notice
// the same, so each is logged once for all shards.
func (l *loop) logGone(old, next event.WatchRecord) {
	isNew := func(id string, old, next time.Time) bool {
		if !old.IsZero() {
			if next.IsZero() {
				l.gone.Delete(id)
			}
			return false
		}
		if next.IsZero() {
			return false
		}
		_, logged := l.gone.LoadOrStore(id, true)
		return !logged
	}
	var farms, fleets []string
	for id, farm := range old.Farms {
		if isNew(id, farm.Gone, next.Farms[id].Gone) {
			farms = append(farms, id)
		}
	}
	for id, fleet := range old.Fleets {
		if isNew(id, fleet.Gone, next.Fleets[id].Gone) {
			fleets = append(fleets, id)
		}
	}
	l.warnOfGone("farms", farms)
	l.warnOfGone("fleets", fleets)
}

func (l *loop) warnOfGone(what string, ids []string) {
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	l.log.Warn(what+" have disappeared: they are not listed any more", zap.Int("count", len(ids)), zap.Strings(what, ids[:min(len(ids), maxLoggedIDs)]))
}

// isOtherAccount reports whether none of the farms of the watch is listed, although ListFarms was complete. Then the
// credentials or the region are probably not those of the watch, and no answer says anything about its sessions. If the
// farms are named by the configuration, ListFarms is not asked, and the result is false.
func isOtherAccount(watch event.WatchRecord, found poller.Found) bool {
	if found.FarmsListed.IsZero() || len(watch.Farms) == 0 {
		return false
	}
	for id := range watch.Farms {
		if _, shown := found.Farms[id]; shown {
			return false
		}
	}
	return true
}

// believed returns the observations that are to be compared. Those of workers whose fleet is not watched are left out:
// the fleet is of another account, or its watch was forgotten. If everything may be of another account, nothing counts
// as absent or not found.
func (l *loop) believed(batch []diff.Observation, watch event.WatchRecord, snapshots *snapshots, covered *shardCoverage, otherAccount bool) []diff.Observation {
	believed := batch[:0]
	for _, o := range batch {
		_, watched := watch.Fleets[o.Worker.FleetID]
		if _, known := snapshots.byWorker[o.Worker]; !known && !watched {
			l.committed(diff.Observation{Worker: o.Worker}, diff.NewSnapshot(o.Worker, diff.Watch{}), covered)
			continue
		}
		if otherAccount {
			o.Source, o.NotFound = diff.Answers, nil
		}
		believed = append(believed, o)
	}
	return believed
}

// accounts notes which shards see another account than the one whose farms they watch.
type accounts struct {
	mu    sync.Mutex
	other map[int]bool // by shard; those that do
}

// set notes what a shard sees. It reports whether that makes another account seen by the first shard, or not seen by the
// last one any more.
func (a *accounts) set(shard int, other bool) (changed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.other) > 0
	if a.other == nil {
		a.other = make(map[int]bool)
	}
	if other {
		a.other[shard] = true
	} else {
		delete(a.other, shard)
	}
	return before != (len(a.other) > 0)
}

// any reports whether a shard sees another account than the one whose farms it watches. Then the instance is not ready.
func (a *accounts) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.other) > 0
}

// noteAccount notes whether a shard sees another account, and logs it once for all shards.
func (l *loop) noteAccount(shard int, other bool) {
	switch changed := l.accounts.set(shard, other); {
	case changed && other:
		l.log.Warn("none of the watched farms is listed: the credentials or the region are probably those of another account; until one of these farms is listed again, no session counts as absent, and no other farm is watched")
	case changed:
		l.log.Info("the watched farms are listed again", zap.Int("shard", shard))
	}
}
