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
}

var allReasons = []Reason{
	Throttled, ServerError, Timeout, Connection, Malformed, Denied, Credentials, Unfetched, ResourceNotFound, Refused, Other,
	RepeatedToken, NoList, MissingField, FieldTooLong, ReservedID, TooManyPages,
}

func newStorm(seed uint64, config Config) *storm {
	config.Staleness, config.Shards = 10*time.Second, 3
	config.Shard = func(id string) int { return number(diff.WorkerKey{WorkerID: id}) % 3 }
	s := &storm{play: newPlayOf(config, seed), random: rand.New(rand.NewPCG(seed, 2))}
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
	case s.random.IntN(3) > 0:
		return Answer{}, false
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
	if c.Kind == ListSessions {
		if !s.calm && s.random.IntN(3) == 0 || s.calm && c.Page < 2 && s.random.IntN(3) == 0 {
			a.Next = "x"
		}
		if s.random.IntN(2) == 0 {
			a.Sample = openSession(c.Worker, 0)
		}
		return a
	}
	a.Findings = make(map[string]Finding)
	for _, x := range c.Sessions {
		f := Finding(1 + s.random.IntN(int(Unclear)))
		if f == Unclear && c.Kind == GetSession {
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

func (s *storm) anyFound(c Call) Answer {
	if a, fails := s.failure(c.Kind); fails {
		return a
	}
	return s.discovered(c)
}

// stir does something.
func (s *storm) stir() {
	farm, shard := fmt.Sprintf("farm-%d", 1+s.random.IntN(2)), s.random.IntN(3)
	fleet := fleetKey{farm, fmt.Sprintf("fleet-%s%d", farm[len("farm-"):], 1+s.random.IntN(2))}
	workers, n := s.workers[fleet], s.random.IntN(12)
	switch s.random.IntN(9) {
	case 0, 1, 2: // workers appear
		id := fmt.Sprintf("worker-%d", n)
		if s.has(id) {
			return
		}
		s.workers[fleet] = append(workers, Worker{ID: id, Status: diff.WorkerStatus{Status: "IDLE"}})
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
// every worker is listed again, and all sessions that must be are looked up.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		config := rapid.SampledFrom([]Config{
			{}, {Farms: []string{"farm-1", "farm-2"}}, {Farms: []string{"farm-1"}, Fleets: []string{"fleet-11", "fleet-12"}},
		}).Draw(t, "config")
		config.Rate = rapid.SampledFrom([]float64{3, 20, 200}).Draw(t, "rate")
		s := newStorm(rapid.Uint64().Draw(t, "seed"), config)
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
		s.calm = true
		for shard := range 3 {
			s.ownShard(shard)
		}
		s.run(7 * time.Minute) // Retry-After and back-off are over
		from := s.now
		s.run(3 * time.Minute)
		check()
		if err := s.allAreListed(from); err != nil {
			t.Fatal(err)
		}
	})
}

// allAreListed checks that all workers that exist were listed since then, and that no lookup has waited for long.
func (s *storm) allAreListed(from time.Time) error {
	listed := make(map[diff.WorkerKey]bool)
	for _, c := range s.calls {
		if c.Kind == ListSessions && !c.at.Before(from) {
			listed[c.Worker] = true
		}
	}
	for f, workers := range s.workers {
		if len(s.config.Farms) > 0 && !slices.Contains(s.config.Farms, f.farm) || !s.selects(f.fleet) {
			continue
		}
		for _, w := range workers {
			if k := (diff.WorkerKey{FarmID: f.farm, FleetID: f.fleet, WorkerID: w.ID}); !listed[k] {
				return fmt.Errorf("%v was not listed: %+v", k, s.schedule.workers[k])
			}
		}
	}
	for _, f := range s.schedule.farmOrder {
		if p := f.lookups.first(); p != nil && s.now.Sub(s.schedule.timeOf(p.key)) > time.Minute {
			return fmt.Errorf("a lookup of %s waits since %v", p.worker.Worker.WorkerID, s.now.Sub(s.schedule.timeOf(p.key)))
		}
	}
	return nil
}
