// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"farmwire/diff"

	"pgregory.net/rapid"
)

// storm is a play in which everything happens in whatever order: shards come and go, and so do farms, fleets and workers;
// answers have every reason, several pages and a Retry-After, or take very long.
type storm struct {
	*play
	random *rand.Rand
	fails  Kind // all calls of this kind fail, with the reason
	reason Reason
	calm   bool // everything is answered as it should be
	size   int  // at most so many workers exist
}

func newStorm(seed uint64, size int, config Config) *storm {
	config.Staleness, config.Shards = 10*time.Second, 3
	config.Shard = func(id string) int { return number(diff.WorkerKey{WorkerID: id}) % 3 }
	s := &storm{play: newPlayOf(config, seed), random: rand.New(rand.NewPCG(seed, 2)), size: size}
	clear(s.workers)
	s.latency = func(Call) time.Duration {
		if !s.calm && s.random.IntN(10) == 0 {
			return time.Duration(s.random.IntN(10000)) * time.Millisecond
		}
		return time.Duration(s.random.IntN(300)) * time.Millisecond
	}
	s.commit = func() time.Duration { return time.Duration(s.random.IntN(500)) * time.Millisecond }
	s.known, s.answer, s.found = s.anyKnown, s.anyAnswer, s.anyFound
	return s
}

func (s *storm) anyKnown(w diff.WorkerKey) Known {
	k := Known{Open: openSessions(w, s.random.IntN(4))}
	k.Unresolved = k.Open[:len(k.Open)/2]
	for _, x := range k.Unresolved {
		if s.random.IntN(4) == 0 {
			k.Missed = append(k.Missed, x.SessionID)
		}
	}
	k.Empty = len(k.Open) == 0 && s.random.IntN(2) == 0
	if s.random.IntN(2) == 0 {
		k.ForgetDue = s.now.Add(time.Duration(s.random.IntN(3600)) * time.Second)
	}
	return k
}

// failure returns a failure now and then.
func (s *storm) failure(k Kind) (Answer, bool) {
	switch {
	case s.calm:
		return Answer{}, false
	case k == s.fails:
		return refused(s.reason), true
	case s.random.IntN(3) > 0, (k == BatchGetWorker || k == ListSessions) && s.random.IntN(8) > 0:
		return Answer{}, false // a failure of these two may keep them off for the rest of the storm
	}
	a := refused(allReasons[s.random.IntN(len(allReasons))])
	if s.random.IntN(3) == 0 {
		a.RetryAfter = time.Duration(s.random.IntN(20)) * time.Second
	}
	if a.Reason == ResourceNotFound {
		a.NotFound = [...]string{"", "farm", "fleet", "worker", "queue", "session"}[s.random.IntN(6)]
	}
	return a, true
}

func (s *storm) anyAnswer(c Call) Answer {
	if a, fails := s.failure(c.Kind); fails {
		return a
	}
	a := Answer{HasDate: s.random.IntN(2) == 0}
	switch c.Kind {
	case ListSessionsForWorker:
		if s.random.IntN(2) == 0 {
			a.Sample = openSession(c.Worker, 0)
		}
		return s.anyPage(c, a, func() diff.WorkerKey { return c.Worker })
	case ListSessions:
		return s.anyPage(c, a, s.anyWorker)
	case BatchGetWorker:
		return s.anyStatuses(c, a)
	}
	a.Findings = make(map[string]Finding)
	for _, x := range c.Sessions {
		f := Finding(1 + s.random.IntN(int(Unclear)))
		if f == Unclear && c.Kind == GetSession || s.calm && s.random.IntN(10) > 0 {
			f = Found
		}
		if s.calm || s.random.IntN(4) > 0 {
			a.Findings[x.SessionID] = f
		}
	}
	if c.Kind == GetSession && a.Findings[c.Sessions[0].SessionID] != Found && len(a.Findings) > 0 {
		a.Reason = ResourceNotFound
	}
	return a
}

// anyPage adds what a page of a list of sessions may show.
func (s *storm) anyPage(c Call, a Answer, worker func() diff.WorkerKey) Answer {
	if !s.calm && s.random.IntN(3) == 0 || s.calm && c.Page < 2 && s.random.IntN(3) == 0 {
		a.Next = "x"
	}
	if s.calm || s.random.IntN(4) > 0 { // else there would be more starts than can be listed, and workers are listed in turn
		return a
	}
	a.Settled, a.NewestFirst, a.Unordered = s.random.IntN(2) == 0, s.random.IntN(2) == 0, s.random.IntN(20) == 0
	for range s.random.IntN(4) {
		x := openSession(worker(), s.random.IntN(5))
		x.JobID, x.StartedAt = fmt.Sprintf("job-%d", s.random.IntN(3)), s.now.Add(-time.Duration(s.random.IntN(300))*time.Second)
		if s.random.IntN(3) == 0 {
			x.LifecycleStatus, x.EndedAt = diff.StatusEnded, x.StartedAt.Add(time.Duration(s.random.IntN(300))*time.Second)
		}
		a.Sessions = append(a.Sessions, x)
	}
	return a
}

// anyWorker returns a worker that may exist. Its shard may be another's, and its fleet and farm may not exist.
func (s *storm) anyWorker() diff.WorkerKey {
	n := 1 + s.random.IntN(3)
	return diff.WorkerKey{FarmID: fmt.Sprintf("farm-%d", n), FleetID: fmt.Sprintf("fleet-%d%d", n, 1+s.random.IntN(3)), WorkerID: fmt.Sprintf("worker-%d", s.random.IntN(s.size+4))}
}

// anyStatuses adds what BatchGetWorker may say of the workers that were asked for, and of others.
func (s *storm) anyStatuses(c Call, a Answer) Answer {
	if s.calm {
		return s.showing(c, a)
	}
	a.Statuses = make(map[diff.WorkerKey]diff.WorkerStatus)
	for _, w := range append(slices.Clone(c.Workers), s.anyWorker()) {
		switch s.random.IntN(4) {
		case 0:
			a.Gone = append(a.Gone, w)
		case 1:
		default:
			a.Statuses[w] = diff.WorkerStatus{Status: [...]string{"IDLE", "RUNNING", "STOPPED", ""}[s.random.IntN(4)]}
		}
	}
	return a
}

func (s *storm) anyFound(c Call) Answer {
	if a, fails := s.failure(c.Kind); fails {
		return a
	}
	return s.discovered(c)
}

// stir does something.
func (s *storm) stir() {
	if s.size > 12 {
		s.schedule.listedStarts = rate{} // else so many starts are made up that workers are always listed in turn
	}
	farm, shard := fmt.Sprintf("farm-%d", 1+s.random.IntN(2)), s.random.IntN(3)
	fleet := fleetKey{farm, fmt.Sprintf("fleet-%s%d", farm[len("farm-"):], 1+s.random.IntN(2))}
	workers, n := s.workers[fleet], s.random.IntN(s.size)
	switch s.random.IntN(9) {
	case 0, 1, 2: // workers appear
		for ; n < s.size; n += 12 {
			if id := fmt.Sprintf("worker-%d", n); !s.has(id) {
				s.workers[fleet] = append(s.workers[fleet], Worker{ID: id, Status: diff.WorkerStatus{Status: "IDLE"}})
			}
		}
	case 3:
		if len(workers) > 0 {
			i := n % len(workers)
			s.workers[fleet] = slices.Delete(workers, i, i+1)
		}
	case 4:
		if len(workers) > 0 {
			workers[n%len(workers)].Status.Status = [...]string{"IDLE", "RUNNING", "STOPPING"}[n%3]
		}
	case 5:
		delete(s.workers, fleet)
	case 6:
		if s.schedule.shards[shard] != nil {
			s.disown(shard)
		}
	case 7:
		s.ownShard(shard)
	case 8:
		s.fails, s.reason = Kind(s.random.IntN(int(kinds))), allReasons[s.random.IntN(len(allReasons))]
	}
}

func (s *storm) has(id string) bool {
	for _, workers := range s.workers {
		if slices.ContainsFunc(workers, func(w Worker) bool { return w.ID == id }) {
			return true
		}
	}
	return false
}

// ownShard lets a shard be owned, with what is known of some workers, of which some do not exist.
func (s *storm) ownShard(shard int) {
	if s.schedule.shards[shard] != nil {
		return
	}
	var workers []diff.WorkerKey
	for range s.random.IntN(6) {
		n := shard + 3*s.random.IntN(5)
		w := diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-11", WorkerID: fmt.Sprintf("worker-%d", n)}
		for f, in := range s.workers {
			if slices.ContainsFunc(in, func(x Worker) bool { return x.ID == w.WorkerID }) {
				w.FarmID, w.FleetID = f.farm, f.fleet
			}
		}
		if !slices.Contains(workers, w) {
			workers = append(workers, w)
		}
	}
	s.schedule.Own(shard, s.knownOf(workers), s.now)
}

// Whatever happens in whatever order, the laws hold: a worker is in at most one call, and in none while it has an observation
// that is not committed; it is in the right queues; and everything is counted rightly. When everything is answered again,
// every worker is listed again, or swept by the budget that does not suffice for that, and all sessions that must be are looked up.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := rapid.SampledFrom([]Config{
			{}, {Farms: []string{"farm-1", "farm-2"}}, {Farms: []string{"farm-1"}, Fleets: []string{"fleet-11", "fleet-12"}},
		}).Draw(t, "config")
		config.Rate = rapid.SampledFrom([]float64{.5, 3, 20, 200}).Draw(t, "rate")
		s := newStorm(rapid.Uint64().Draw(t, "seed"), rapid.SampledFrom([]int{12, 60}).Draw(t, "size"), config)
		check := func() {
			if s.broken == nil {
				s.broken = consistent(s.schedule)
			}
			if s.broken != nil {
				t.Fatal(s.broken)
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			s.stir()
			check()
			s.run(time.Duration(s.random.IntN(5000)) * time.Millisecond)
			check()
			s.schedule.State(s.now)
		}
		s.calm, s.schedule.listedStarts = true, rate{}
		for shard := range 3 {
			s.ownShard(shard)
		}
		s.run(7 * time.Minute) // Retry-After and back-off are over
		from, round := s.now, 3*time.Minute
		if config.Rate < 1 {
			round = 20 * time.Minute
		}
		s.run(round)
		check()
		if err := s.allAreListed(from); err != nil {
			t.Fatal(err)
		}
	})
}

// waitsForFloor reports whether nothing but the floor lists a worker: with Sweeping, if what its sessions belong to is not found.
func (s *storm) waitsForFloor(k diff.WorkerKey) bool {
	w := s.schedule.workers[k]
	return s.schedule.strategy == Sweeping && w != nil && w.missing() > 0 && !w.urgent
}

// isShownInstead reports whether ListWorkers has shown the status of a worker since then, in a farm in which BatchGetWorker is paused
// because it was denied or has failed. That lasts for an hour at most, and meanwhile such a worker may only be listed by the floor.
func (s *storm) isShownInstead(k diff.WorkerKey, from time.Time) bool {
	w := s.schedule.workers[k]
	return s.schedule.strategy == Sweeping && w != nil && w.fleet.farm.off[BatchGetWorker].After(s.now) && !w.statusAt.Before(from)
}

// allAreListed checks that all workers that exist were listed since then, or with Sweeping that their status or a session of
// theirs was looked at, and that no lookup has waited for long.
func (s *storm) allAreListed(from time.Time) error {
	listed := make(map[diff.WorkerKey]bool)
	for _, c := range s.calls {
		if c.at.Before(from) {
			continue
		}
		listed[c.Worker] = true
		for _, w := range c.Workers {
			listed[w] = s.schedule.strategy == Sweeping || listed[w]
		}
		for _, x := range c.Sessions {
			listed[x.WorkerKey] = s.schedule.strategy == Sweeping || listed[x.WorkerKey]
		}
	}
	for f, workers := range s.workers {
		if len(s.config.Farms) > 0 && !slices.Contains(s.config.Farms, f.farm) || !s.selects(f.fleet) {
			continue
		}
		for _, w := range workers {
			k := diff.WorkerKey{FarmID: f.farm, FleetID: f.fleet, WorkerID: w.ID}
			if !listed[k] && !s.waitsForFloor(k) && !s.isShownInstead(k, from) {
				return fmt.Errorf("%v was not listed: %+v", k, s.schedule.workers[k])
			}
		}
	}
	// At a low rate the turns of the sweep are rare, and a worker that is in another call misses one.
	longest := time.Minute + time.Duration(2*rareTurn/s.config.Rate*float64(time.Second))
	for _, f := range s.schedule.farmOrder {
		for _, p := range f.lookups.places {
			for _, x := range p.worker.toLookUp() {
				if l := p.worker.lookup(x.SessionID); s.now.Sub(latest(l.at, l.since, p.worker.nextLookup)) > longest && l.missing.IsZero() {
					return fmt.Errorf("a lookup of %s waits: %+v", x.SessionID, l)
				}
			}
		}
	}
	return nil
}
