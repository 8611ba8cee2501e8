package poller

import (
	"slices"
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
)

// addConfiguredTargets adds the targets that the configuration names: fleets, farms, or else all farms.
func (l *loop) addConfiguredTargets(now time.Time) {
	c := l.poller.config
	switch {
	case len(c.Farms) == 0:
		l.schedule.discovery.add(discoveryTarget{}, now)
	case len(c.Farms) == 1 && len(c.Fleets) > 0:
		for _, fleet := range c.Fleets {
			l.schedule.discovery.add(discoveryTarget{farm: c.Farms[0], fleet: fleet}, now)
		}
	default:
		for _, farm := range c.Farms {
			l.schedule.discovery.add(discoveryTarget{farm: farm}, now)
		}
	}
}

// isSelected reports whether the workers of a fleet are to be polled.
func (l *loop) isSelected(farm, fleet string) bool {
	c := l.poller.config
	return (len(c.Farms) == 0 || slices.Contains(c.Farms, farm)) && (len(c.Fleets) == 0 || slices.Contains(c.Fleets, fleet))
}

// finishDiscovery takes in the result of a discovery call.
func (l *loop) finishDiscovery(r result, now time.Time) {
	t := r.call.target
	target := l.schedule.discovery.targets[t]
	if target == nil {
		return // it was removed while the call was in flight
	}
	l.logDiscovery(t, target.failures, r.err)
	first := target.completed.IsZero()
	l.schedule.discovery.done(t, r.err, now)
	l.service.metrics.discoveryRound.Set(l.schedule.discovery.longestInterval().Seconds())
	if r.err != nil {
		if target.failures == failingAfter {
			l.schedule.discoveryFails(now)
		}
		return
	}
	switch r.call.kind {
	case listFarms:
		l.foundFarms(r, first, now)
	case listFleets:
		l.foundFleets(r, first, now)
	case listWorkers:
		for _, w := range l.directory.removeMissing(t, r.callNumber) {
			l.schedule.workerMissing(w, now)
		}
		l.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return w.FleetID == t.fleet }, now)
	}
	l.directory.forgetGone(now)
	l.publishFound()
}

// logDiscovery logs the first failure in a row, and the first success after it.
func (l *loop) logDiscovery(t discoveryTarget, failures int, err error) {
	fields := []zap.Field{zap.String("operation", t.kind().operation()), zap.String("farm", t.farm), zap.String("fleet", t.fleet)}
	switch {
	case err != nil && failures == 0 && !isCancelled(err):
		l.log.Warn("discovery failed; what was found before is used until it succeeds", append(fields, zap.Error(err))...)
	case err == nil && failures > 0:
		l.log.Info("discovery succeeds again", fields...)
	}
}

// maxLoggedIDs is how many farms or fleets one log line names.
const maxLoggedIDs = 20

// logFound logs how many farms, or fleets of a farm, the first complete list shows, and which appear after that. Whoever
// keeps them beyond the life of a process logs which disappear.
func (l *loop) logFound(what, farm string, first bool, appeared []string) {
	log := l.log
	if farm != "" {
		log = log.With(zap.String("farm", farm))
	}
	switch n := len(appeared); {
	case first:
		log.Info(what+" are listed", zap.Int("count", n))
	case n > 0:
		log.Info(what+" have appeared", zap.Int("count", n), zap.Strings(what, appeared[:min(n, maxLoggedIDs)]))
	}
}

// foundFarms takes in a complete ListFarms.
func (l *loop) foundFarms(r result, first bool, now time.Time) {
	listed := make(map[string]bool, len(r.farms))
	l.logFound("farms", "", first, l.directory.farmsListed(r.listed, r.farms))
	for _, farm := range r.farms {
		listed[farm] = true
		l.schedule.discovery.add(discoveryTarget{farm: farm}, now)
	}
	l.schedule.discovery.keep(discoveryTarget{}, listed)
	for id, f := range l.directory.fleets {
		if !listed[f.farm] {
			l.removeFleet(id, now)
		}
	}
	l.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return !listed[w.FarmID] }, now)
}

// foundFleets takes in a complete ListFleets of a farm.
func (l *loop) foundFleets(r result, first bool, now time.Time) {
	farm, in := r.call.target.farm, FoundFarm{Listed: r.listed, Unselected: make(map[string]bool)}
	fleets := slices.DeleteFunc(r.fleets, func(f listedFleet) bool {
		if !l.isSelected(farm, f.id) {
			in.Unselected[f.id] = true
		}
		return in.Unselected[f.id]
	})
	listed := make(map[string]bool, len(fleets))
	appeared, missing := l.directory.farmListed(farm, in, fleets)
	l.logFound("fleets", farm, first, appeared)
	for _, fleet := range missing {
		l.removeFleet(fleet, now)
	}
	for _, f := range fleets {
		listed[f.id] = true
		l.schedule.discovery.add(discoveryTarget{farm: farm, fleet: f.id}, now)
	}
	l.schedule.discovery.keep(discoveryTarget{farm: farm}, listed)
	l.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return w.FarmID == farm && !listed[w.FleetID] }, now)
}

// removeFleet takes in that discovery does not show a fleet any more, and so none of its workers.
func (l *loop) removeFleet(fleet string, now time.Time) {
	for _, w := range l.directory.removeFleet(fleet, now) {
		l.schedule.workerMissing(w, now)
	}
}

// showWorkers takes in a page of a fleet's workers. The fleet is published in Found before any of its
// workers is listed.
func (l *loop) showWorkers(r result, now time.Time) {
	if l.schedule.discovery.targets[r.call.target] == nil || r.call.untilFarmShown {
		return
	}
	shown := l.directory.show(r.call.target, r.callNumber, *r.page)
	l.publishFound()
	for _, w := range shown {
		number := l.poller.config.Shard(w.key.WorkerID)
		if l.shards[number] != nil {
			l.schedule.workerShown(w.key, number, w.status, now)
		}
	}
}

// publishFound publishes what was found, if it has changed.
func (l *loop) publishFound() {
	if l.directory.dirty {
		l.poller.found.Store(l.directory.copyFound())
	}
}
