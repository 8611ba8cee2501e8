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
		l.foundFarms(r.farms, now)
	case listFleets:
		l.foundFleets(r, now)
	case listWorkers:
		for _, w := range l.directory.removeMissing(t, r.callNumber) {
			l.schedule.workerMissing(w, now)
		}
		l.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return w.FleetID == t.fleet }, now)
	}
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

// foundFarms takes in a complete ListFarms.
func (l *loop) foundFarms(farms []string, now time.Time) {
	listed := make(map[string]bool, len(farms))
	for _, farm := range farms {
		listed[farm] = true
		l.schedule.discovery.add(discoveryTarget{farm: farm}, now)
	}
	l.schedule.discovery.keep(discoveryTarget{}, listed)
	l.sameAccount = l.schedule.hasSessionsWhere(func(w diff.WorkerKey) bool { return listed[w.FarmID] })
	for id, f := range l.directory.fleets {
		if !listed[f.farm] {
			l.removeFleet(id, now)
		}
	}
	l.schedule.workersMissingWhere(func(w diff.WorkerKey) bool { return !listed[w.FarmID] }, now)
}

// foundFleets takes in a complete ListFleets of a farm.
func (l *loop) foundFleets(r result, now time.Time) {
	farm := r.call.target.farm
	fleets := slices.DeleteFunc(r.fleets, func(f listedFleet) bool { return !l.isSelected(farm, f.id) })
	listed := make(map[string]bool, len(fleets))
	for _, fleet := range l.directory.farmListed(farm, r.listed, fleets) {
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
	for _, w := range l.directory.removeFleet(fleet) {
		l.schedule.workerMissing(w, now)
	}
}

// showWorkers takes in a page of a fleet's workers. The fleet is published in Found before any of its
// workers is listed.
func (l *loop) showWorkers(r result, now time.Time) {
	if l.schedule.discovery.targets[r.call.target] == nil || r.call.oneRequest {
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

// confirmNoFleet decides what it means that a listing was answered by an error that names the worker's fleet or farm. If
// the worker has no open session and complete listings lack that fleet or farm too, it counts as the answer that the worker
// does not exist. Otherwise the listing has failed. Listings that show none of the farms known so far come from another
// account, whose answers would make Farmwire forget everything.
func (l *loop) confirmNoFleet(r *result) {
	if r.err == nil || len(r.observations) == 0 || r.observations[0].Source != diff.NoSuchFleet {
		return
	}
	w := r.call.workers[0]
	farms, fleets := l.schedule.discovery.targets[discoveryTarget{}], l.schedule.discovery.targets[discoveryTarget{farm: w.key.FarmID}]
	var lacking bool
	switch {
	case len(w.open) > 0:
	case fleets != nil: // the farm is listed
		named := notFoundKind(r.err, map[string]string{w.key.FarmID: "farm", w.key.FleetID: "fleet"})
		lacking = named == "fleet" && !fleets.completed.IsZero() && l.schedule.discovery.targets[discoveryTarget{farm: w.key.FarmID, fleet: w.key.FleetID}] == nil
	case farms != nil:
		lacking = !farms.completed.IsZero() && l.sameAccount
	}
	if lacking {
		r.err = nil
	} else {
		r.observations = nil
	}
}
