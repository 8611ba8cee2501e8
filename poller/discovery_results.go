package poller

import (
	"slices"
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
)

// seek makes known what the configuration names, else that everything is to be found.
func (l *loop) seek(now time.Time) {
	c := l.poller.config
	switch {
	case len(c.Farms) == 0:
		l.schedule.rounds.add(target{}, now)
	case len(c.Farms) == 1 && len(c.Fleets) > 0:
		for _, fleet := range c.Fleets {
			l.schedule.rounds.add(target{farm: c.Farms[0], fleet: fleet}, now)
		}
	default:
		for _, farm := range c.Farms {
			l.schedule.rounds.add(target{farm: farm}, now)
		}
	}
}

// selected reports whether the configuration lets a fleet's workers be polled.
func (l *loop) selected(farm, fleet string) bool {
	c := l.poller.config
	return (len(c.Farms) == 0 || slices.Contains(c.Farms, farm)) && (len(c.Fleets) == 0 || slices.Contains(c.Fleets, fleet))
}

// searched takes in the end of a discovery call.
func (l *loop) searched(r result, now time.Time) {
	t := r.call.target
	search := l.schedule.rounds.searches[t]
	if search == nil {
		return // dropped while it was under way
	}
	l.tellSearch(t, search.failed, r.err)
	l.schedule.rounds.done(t, r.err, now)
	l.service.metrics.discoveryRound.Set(l.schedule.rounds.longest().Seconds())
	if r.err != nil {
		if search.failed == blindAfter {
			l.schedule.unsure(now)
		}
		return
	}
	switch r.call.kind {
	case listFarms:
		l.foundFarms(r.farms, now)
	case listFleets:
		l.foundFleets(r, now)
	case listWorkers:
		for _, w := range l.directory.walked(t, r.walk) {
			l.schedule.lost(w, now)
		}
		l.schedule.lostWhere(func(w diff.WorkerKey) bool { return w.FleetID == t.fleet }, now)
	}
	l.publishFound()
}

// tellSearch logs the first failure of a row, and its end.
func (l *loop) tellSearch(t target, failed int, err error) {
	fields := []zap.Field{zap.String("operation", t.kind().operation()), zap.String("farm", t.farm), zap.String("fleet", t.fleet)}
	switch {
	case err != nil && failed == 0 && !cancelled(err):
		l.log.Warn("discovery failed; what was found before counts until it succeeds", append(fields, zap.Error(err))...)
	case err == nil && failed > 0:
		l.log.Info("discovery succeeds again", fields...)
	}
}

func (l *loop) foundFarms(farms []string, now time.Time) {
	listed := make(map[string]bool, len(farms))
	for _, farm := range farms {
		listed[farm] = true
		l.schedule.rounds.add(target{farm: farm}, now)
	}
	l.schedule.rounds.keep(target{}, listed)
	for id, f := range l.directory.fleets {
		if !listed[f.farm] {
			l.loseFleet(id, now)
		}
	}
	l.schedule.lostWhere(func(w diff.WorkerKey) bool { return !listed[w.FarmID] }, now)
}

func (l *loop) foundFleets(r result, now time.Time) {
	farm := r.call.target.farm
	fleets := slices.DeleteFunc(r.fleets, func(f fleetShown) bool { return !l.selected(farm, f.id) })
	listed := make(map[string]bool, len(fleets))
	for _, fleet := range l.directory.farmListed(farm, r.listed, fleets) {
		l.loseFleet(fleet, now)
	}
	for _, f := range fleets {
		listed[f.id] = true
		l.schedule.rounds.add(target{farm: farm, fleet: f.id}, now)
	}
	l.schedule.rounds.keep(target{farm: farm}, listed)
	l.schedule.lostWhere(func(w diff.WorkerKey) bool { return w.FarmID == farm && !listed[w.FleetID] }, now)
}

func (l *loop) loseFleet(fleet string, now time.Time) {
	for _, w := range l.directory.removeFleet(fleet) {
		l.schedule.lost(w, now)
	}
}

// showWorkers takes in a page of a fleet's workers. That the fleet was found is said before
// any of them is asked for.
func (l *loop) showWorkers(r result, now time.Time) {
	if l.schedule.rounds.searches[r.call.target] == nil || r.call.probe {
		return
	}
	shown := l.directory.show(r.call.target, r.walk, *r.page)
	l.publishFound()
	for _, w := range shown {
		number := l.poller.config.Shard(w.key.WorkerID)
		if l.shards[number] != nil {
			l.schedule.saw(w.key, number, w.status, now)
		}
	}
}

func (l *loop) publishFound() {
	if l.directory.dirty {
		l.poller.found.Store(l.directory.snapshot())
	}
}

// survey brings the gauges and the State up to date.
func (l *loop) survey(now time.Time) {
	s, m := l.schedule, l.service.metrics
	m.unlisted.Set(float64(len(s.blind)))
	if l.surveys%scanEvery == 0 {
		l.oldest = s.oldest(now)
		m.oldestListing.Set(l.oldest.Seconds())
		m.workers.set(s.workersByStatus())
		m.openSessions.set(s.openByFleet())
	}
	l.surveys++
	l.poller.state.Store(l.state(now))
}
