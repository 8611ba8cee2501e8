package poller

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
)

const maxNamed = 10 // workers that Missing names one by one

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
	l.service.metrics.round.Set(l.schedule.rounds.longest().Seconds())
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

// survey brings the gauges and what is missing up to date.
func (l *loop) survey(now time.Time) {
	s, m := l.schedule, l.service.metrics
	m.workers.Set(float64(len(s.entries)))
	m.open.Set(float64(s.openCount))
	m.blind.Set(float64(len(s.blind)))
	if l.surveys%scanEvery == 0 {
		m.oldest.Set(s.oldest(now).Seconds())
	}
	l.surveys++
	missing := l.missing(now)
	l.poller.missing.Store(&missing)
}

// missing says what is not as it should be.
func (l *loop) missing(now time.Time) []string {
	if len(l.shards) == 0 {
		return l.unanswered() // nothing else is asked for then
	}
	var words []string
	rounds := l.schedule.rounds
	for t, s := range rounds.searches {
		if s.failed > 0 {
			failure := fmt.Sprintf("%s: %s failed %d times: %s", t, t.kind().operation(), s.failed, s.reason)
			words = append(words, strings.TrimPrefix(failure, ": ")) // the list of farms is of no farm
		}
	}
	slices.Sort(words)
	if n := rounds.pending(); n > 0 {
		words = append(words, fmt.Sprintf("%d of %d farms and fleets are not looked through yet", n, len(rounds.searches)))
	} else {
		for _, fleet := range l.poller.config.Fleets {
			if l.directory.fleets[fleet] == nil {
				words = append(words, fmt.Sprintf("fleet %s is in none of the farms", fleet))
			}
		}
	}
	if l.service.budget.isStopped(now) {
		words = append(words, "the credentials are refused")
	}
	words = append(words, l.blindWords()...)
	if n := len(l.schedule.mute); n > 0 {
		words = append(words, fmt.Sprintf("the sessions of %d workers cannot be looked up", n))
	}
	return words
}

// blindWords names the workers that cannot be listed, if they are few.
func (l *loop) blindWords() []string {
	var words []string
	for e := range l.schedule.blind {
		words = append(words, fmt.Sprintf("worker %s: %d listings in a row were discarded: %s", e.key.WorkerID, e.failed, e.reason))
		if len(words) == maxNamed {
			break
		}
	}
	slices.Sort(words)
	if more := len(l.schedule.blind) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d workers more", more))
	}
	return words
}

// String names the target for people.
func (t target) String() string {
	return strings.TrimSpace(strings.Join([]string{t.farm, t.fleet}, " "))
}
