package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// Scheduler decides which request to send next, as [schedule.Schedule] does.
type Scheduler interface {
	Next(now time.Time) (schedule.Call, time.Time)
	Done(c schedule.Call, a schedule.Answer, now time.Time) schedule.Outcome
	Committed(k schedule.Known, now time.Time)
}

const (
	shortestTrip = 50 * time.Millisecond
	longestTrip  = 150 * time.Millisecond
)

// Simulation is a simulation under way. It is used by one goroutine.
type Simulation struct {
	config Config
	world  *world
	random *rand.Rand // of round trips and faults
	quota  func(time.Time, schedule.Call) Fault
	agenda agenda
	now    time.Duration
	sides  []*side
	ticks  uint64
	broken error

	sent []Sent
	// Listings are the listings of workers that have ended, in any way.
	Listings []Listing
	// MostInFlight is the largest number of requests that a scheduler had in flight at a time.
	MostInFlight int
}

// side is one scheduler. If there are several, they are the instances that share the work.
type side struct {
	scheduler Scheduler
	wake      time.Time           // when it wants to be asked again; zero for never
	lists     map[uint64]*listing // those of sessions that are under way, by Call.List
	inFlight  []schedule.Call     // in the order in which they were sent
	stopped   bool
}

// Sent is a request that was sent.
type Sent struct {
	At     time.Duration // since the start
	Kind   schedule.Kind
	Reason schedule.Reason // of its fault
}

// Listing is a listing that has ended.
type Listing struct {
	Worker       diff.WorkerKey
	Began, Ended time.Duration // when its first request was sent and when its last answer arrived
	Pages        int
	Complete     bool
}

// New returns a simulation that has not begun. The configuration is taken with its defaults.
func New(c Config) (*Simulation, error) {
	c = c.WithDefaults()
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Simulation{config: c, world: newWorld(c), random: rand.New(rand.NewPCG(c.Seed, 2))}
	if c.Quota > 0 {
		s.quota = Quota(func(time.Time) float64 { return c.Quota })
	}
	s.world.makeUntil(0)
	return s, nil
}

// Now returns the time in the simulation.
func (s *Simulation) Now() time.Time { return timeOf(s.now) }

// Sent returns the requests that were sent so far.
func (s *Simulation) Sent() []Sent { return s.sent }

// Drive makes the scheduler send requests from now on. Several can share the work, if each owns other shards.
func (s *Simulation) Drive(scheduler Scheduler) {
	s.sides = append(s.sides, &side{scheduler: scheduler, wake: s.Now(), lists: make(map[uint64]*listing)})
}

// Stop makes all schedulers stop, as if their instances had been killed. What they have in flight comes to nothing.
func (s *Simulation) Stop() {
	for _, d := range s.sides {
		d.stopped = true
	}
	s.sides = nil
	for _, f := range s.world.fleets {
		for _, w := range f.workers {
			w.inCall = 0
		}
	}
}

// Cancel gives up the requests that are in flight for workers of a shard, as the poller does when it loses the shard.
func (s *Simulation) Cancel(shard int) {
	for _, d := range s.sides {
		for _, c := range slices.Clone(d.inFlight) {
			if slices.Contains(c.Shards, shard) {
				s.arrive(d, c, schedule.Answer{Reason: schedule.Cancelled, Sent: s.Now()}, page{}, diff.Exchange{})
			}
		}
	}
}

// Observe makes all open sessions known that exist now, as if every worker had just been listed.
func (s *Simulation) Observe() {
	for _, f := range s.world.fleets {
		for _, w := range f.workers {
			if !w.existed(s.now) {
				continue
			}
			x := diff.Exchange{Sent: s.Now(), Arrived: s.Now(), SentTick: s.tick(), ArrivedTick: s.tick()}
			var shown []diff.Sighting
			c := schedule.Call{Worker: w.key, Page: 1}
			for ; ; c.Page++ {
				a, p := s.world.listSessions(c, s.now)
				if shown = sightings(shown, p.shown, x); a.Next == "" {
					break
				}
			}
			s.observe(w, observation(w.key, diff.CompleteListing, x, c.Page, shown))
		}
	}
}

// Known returns what is committed of all workers that have sessions.
func (s *Simulation) Known() []schedule.Known {
	var all []schedule.Known
	for _, f := range s.world.fleets {
		for _, w := range f.workers {
			if k := schedule.KnownOf(w.snapshot); !k.Empty {
				all = append(all, k)
			}
		}
	}
	return all
}

// Run continues the simulation for that time. It returns an error if a scheduler has asked about a worker twice at a time, has
// taken a page of a job's sessions as an observation of a worker that is in a call, or has wanted to be asked again at once without having a request.
func (s *Simulation) Run(d time.Duration) error {
	end := s.now + d
	for _, side := range s.sides {
		s.ask(side)
	}
	for s.broken == nil {
		next, ok := s.agenda.next()
		if !ok {
			next = never
		}
		var waking *side
		for _, side := range s.sides {
			if at := side.wake.Sub(timeOf(0)); !side.wake.IsZero() && at < next {
				next, waking = at, side
			}
		}
		if next > end {
			s.now = end
			s.world.makeUntil(end)
			return nil
		}
		s.now = next
		if waking != nil {
			s.ask(waking)
		} else {
			s.agenda.take()()
		}
	}
	return fmt.Errorf("after %v: %w", s.now, s.broken)
}

// ask sends all requests that the scheduler wants to send now.
func (s *Simulation) ask(d *side) {
	const most = 100_000
	for range most {
		c, wake := d.scheduler.Next(s.Now())
		if c.Number == 0 {
			if !wake.IsZero() && !wake.After(s.Now()) {
				s.fail(fmt.Errorf("the scheduler has no call and wants to be asked again at %v", wake))
			}
			d.wake = wake
			return
		}
		s.send(d, c)
	}
	s.fail(fmt.Errorf("the scheduler wants to send more than %d requests at once", most))
}

// fail ends the simulation, because a law was broken. The first error counts.
func (s *Simulation) fail(err error) {
	if s.broken == nil {
		s.broken = err
	}
}

func (s *Simulation) send(d *side, c schedule.Call) {
	s.begin(d, c)
	f := s.fault(c)
	s.sent = append(s.sent, Sent{At: s.now, Kind: c.Kind, Reason: f.Reason})
	d.inFlight = append(d.inFlight, c)
	s.MostInFlight = max(s.MostInFlight, len(d.inFlight))
	trip := shortestTrip + time.Duration(s.random.Int64N(int64(longestTrip-shortestTrip)))
	var a schedule.Answer
	var p page
	if f.Reason == "" {
		a, p = s.world.answer(c, s.now+trip/2)
	} else {
		a = schedule.Answer{Reason: f.Reason, RetryAfter: f.RetryAfter}
	}
	setDefault(&f.After, trip)
	a.Sent = s.Now()
	x := diff.Exchange{Sent: s.Now(), SentTick: s.tick()}
	s.agenda.add(s.now+f.After, func() { s.arrive(d, c, a, p, x) })
}

func (s *Simulation) tick() uint64 {
	s.ticks++
	return s.ticks
}

func (s *Simulation) arrive(d *side, c schedule.Call, a schedule.Answer, p page, x diff.Exchange) {
	at := slices.IndexFunc(d.inFlight, func(sent schedule.Call) bool { return sent.Number == c.Number })
	if d.stopped || at < 0 {
		return
	}
	d.inFlight = slices.Delete(d.inFlight, at, at+1)
	x.Arrived, x.ArrivedTick = s.Now(), s.tick()
	if l := d.lists[c.List]; l != nil && a.Reason == "" {
		l.judge(&a, p)
	}
	o := d.scheduler.Done(c, a, s.Now())
	switch c.Kind {
	case schedule.ListSessionsForWorker:
		s.listed(d, c, a, o, p, x)
	case schedule.ListSessions:
		s.jobListed(d, c, o, p, x)
	case schedule.BatchGetSession, schedule.GetSession:
		s.lookedUp(d, c, a, o, p, x)
	}
	s.ask(d)
}
