package coverage_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

var epoch = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

const gapAfter = time.Minute

// world is a Deadline Cloud, a poller and a Kafka, as simple as they can be, and a Tracker that is told what happens. It knows
// the truth, and compares with it what the Tracker says.
type world struct {
	t      failer
	random *rand.Rand
	now    time.Time // by the service's clock

	outages, handovers, deletions, estimates bool
	calm                                     bool // no request fails by chance, and no lookup misses a session

	fleets   []string // of the farm f
	workers  map[diff.WorkerKey]*truth
	sessions map[string]*job
	next     int      // the number of the next worker or session
	failing  []outage // one or two at a time

	tracker  *coverage.Tracker
	state    *coverage.State
	taken    time.Time // when it was stored
	number   uint64
	ticks    uint64
	inFlight []*call
	busy     map[diff.WorkerKey]bool // with a listing or lookup under way, or an observation that is not committed
	waiting  []diff.Observation      // not committed
	known    map[diff.WorkerKey]diff.Snapshot
	lists    map[string]map[string]bool // of discovery, what pages have shown: by target
	shown    map[diff.WorkerKey]bool    // the poller knows them

	ledger
}

// outage is a time in which requests fail, or in which the service does not say what became of sessions.
type outage struct {
	until  time.Time
	reason func(call *call) coverage.Reason
}

// truth is a worker.
type truth struct {
	key      diff.WorkerKey
	deleted  time.Time
	sessions []*job
	wasShown bool // by a list that was answered
}

// job is a session.
type job struct {
	diff.Session
	worker    *truth
	announced bool // the status of the worker says so
	missedOne bool // a listing of several pages has missed it, because its pages shifted; the status did not ask for that listing
	listed    bool // an observation that showed it is committed
	ended     bool // its end is committed
	hidden    bool // no answer shows it
}

// call is a request of the poller and what the service made of it.
type call struct {
	coverage.Request
	exact       time.Time
	due         time.Time // when the answer arrives
	reason      coverage.Reason
	page, pages int
	list        *listing
	answer      coverage.Answer
	announced   map[diff.WorkerKey][]*job
	sightings   map[diff.WorkerKey][]diff.Sighting
	sentTick    uint64
}

type listing struct {
	first       diff.Exchange
	observation diff.Observation
	target      string
	ids         map[string]bool
	misses      *job
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Fatalf(format string, args ...any)
}

func newWorld(t failer, seed uint64) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), now: epoch, workers: map[diff.WorkerKey]*truth{}, sessions: map[string]*job{},
		fleets: []string{"a", "b"},
	}
	w.ledger.world = w
	for range 4 {
		w.addWorker()
	}
	w.own()
	return w
}

func owns(id string) bool { return !strings.HasSuffix(id, "0") }

// own makes a Tracker, and forgets what a process forgets.
func (w *world) own() {
	if w.known == nil {
		w.known = map[diff.WorkerKey]diff.Snapshot{}
	}
	var snapshots []diff.Snapshot
	for _, key := range sorted(w.known) {
		r := diff.NewSnapshot(key, diff.Watch{Since: epoch})
		// What was committed is what is restored: only ticks and what listings proved are forgotten.
		o := diff.Observation{Worker: key, Source: diff.Answers}
		for _, s := range w.known[key].Open() {
			o.Sightings = append(o.Sightings, diff.Sighting{Session: s})
		}
		r = diff.Apply(r, diff.Between(r, o))
		w.known[key] = r
		snapshots = append(snapshots, r)
	}
	w.inFlight, w.waiting = nil, nil
	w.busy, w.lists, w.shown = map[diff.WorkerKey]bool{}, map[string]map[string]bool{}, map[diff.WorkerKey]bool{}
	w.number, w.ticks = 0, 0
	var stored *coverage.State
	if w.state != nil {
		s := *w.state
		stored = &s
	}
	for key, known := range w.workers {
		// A list whose workers were not stored is no look. Whoever came and went since the one before it is not known.
		known.wasShown = known.wasShown && stored != nil && slices.Contains(stored.Workers, key)
	}
	w.owned, w.lost = append(w.owned, w.now), append(w.lost, w.now.Sub(w.taken))
	w.tracker = coverage.NewTracker(coverage.Config{GapAfter: gapAfter, Owns: owns}, stored, snapshots, w.now)
}

func sorted[V any](m map[diff.WorkerKey]V) []diff.WorkerKey {
	var keys []diff.WorkerKey
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b diff.WorkerKey) int { return strings.Compare(a.FleetID+a.WorkerID, b.FleetID+b.WorkerID) })
	return keys
}

func (w *world) chance(p float64) bool { return w.random.Float64() < p }

func (w *world) addWorker() {
	w.next++
	key := diff.WorkerKey{FarmID: "f", FleetID: w.fleets[w.random.IntN(len(w.fleets))], WorkerID: fmt.Sprintf("w%04d", w.next)}
	w.workers[key] = &truth{key: key}
}

// step lets something happen.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(50+w.random.IntN(2000)) * time.Millisecond)
	w.answerDue()
	if w.outages && len(w.failing) < 2 && w.chance(0.005) {
		w.beginOutage()
	}
	w.failing = slices.DeleteFunc(w.failing, func(o outage) bool { return w.now.After(o.until) })
	if len(w.failing) == 0 {
		for _, s := range w.sessions {
			s.hidden = false
		}
	}
	w.live()
	if len(w.inFlight) < 6 {
		w.send()
	}
	for len(w.waiting) > 0 && w.chance(0.8) {
		w.commit()
	}
	if w.chance(0.3) && w.tracker.IsDue(w.now) || w.now.Sub(w.taken) > 10*time.Second {
		w.take(false)
	}
	if w.chance(0.3) {
		w.take(true)
	}
	if w.handovers && w.chance(0.003) {
		if w.chance(0.5) && w.state != nil {
			w.now = w.now.Add(time.Duration(w.random.IntN(300)) * time.Second)
		}
		w.own()
	}
}

func (w *world) beginOutage() {
	longest := 400
	if w.chance(0.2) {
		longest = 1500
	}
	o := outage{until: w.now.Add(time.Duration(w.random.IntN(longest)) * time.Second)}
	reason := []coverage.Reason{coverage.Throttled, coverage.Denied, coverage.Unreachable, coverage.Failing}[w.random.IntN(4)]
	operation := coverage.Operation(w.random.IntN(7))
	workers := sorted(w.workers)
	worker := workers[w.random.IntN(len(workers))]
	fleet := w.fleets[w.random.IntN(len(w.fleets))]
	concerns := []func(c *call) bool{
		func(*call) bool { return true },
		func(c *call) bool { return c.Operation == operation },
		func(c *call) bool { return c.Fleet == fleet || len(c.Workers) > 0 && c.Workers[0].FleetID == fleet },
		func(c *call) bool {
			return c.Operation == coverage.ListSessionsForWorker && c.Workers[0] == worker
		},
		func(c *call) bool { return c.page > 1 },
	}[w.random.IntN(5)]
	o.reason = func(c *call) coverage.Reason {
		if concerns(c) {
			return reason
		}
		return ""
	}
	if w.chance(0.3) { // the service does not say what became of a session
		o.reason = func(*call) coverage.Reason { return "" }
		for _, s := range w.sessions {
			s.hidden = s.listed && s.EndedAt.IsZero() && s.WorkerKey.FleetID == fleet
		}
	}
	w.failing = append(w.failing, o)
}

// live lets workers and sessions come and go.
func (w *world) live() {
	workers := sorted(w.workers)
	key := workers[w.random.IntN(len(workers))]
	worker := w.workers[key]
	switch n := w.random.IntN(100); {
	case n < 2 && len(workers) < 12:
		w.addWorker()
	case !worker.deleted.IsZero():
	case n < 8:
		w.next++
		s := &job{Session: diff.Session{
			WorkerKey: key, QueueID: "q", JobID: "j", SessionID: fmt.Sprintf("s%06d", w.next), LifecycleStatus: diff.StatusStarted, StartedAt: w.now,
		}, worker: worker, announced: w.chance(0.7)}
		worker.sessions = append(worker.sessions, s)
		w.sessions[s.SessionID] = s
	case n < 14 && len(worker.sessions) > 0:
		worker.sessions[w.random.IntN(len(worker.sessions))].end(w.now)
	case n == 14 && w.deletions && w.chance(0.5) && len(workers) > 2:
		worker.deleted = w.now
		for _, s := range worker.sessions {
			s.end(w.now)
		}
	}
	for key, worker := range w.workers {
		if !worker.deleted.IsZero() && w.now.Sub(worker.deleted) > 30*time.Minute {
			delete(w.workers, key)
		}
	}
}

func (j *job) end(now time.Time) {
	if j.EndedAt.IsZero() {
		j.EndedAt, j.LifecycleStatus = now, diff.StatusEnded
	}
}

// send sends a request of some kind.
func (w *world) send() {
	c := &call{page: 1, pages: 1}
	switch w.random.IntN(10) {
	case 0:
		c.Operation = coverage.ListFarms
	case 1:
		c.Operation, c.Farm = coverage.ListFleets, "f"
	case 2:
		c.Operation, c.Farm, c.Fleet = coverage.ListWorkers, "f", w.fleets[w.random.IntN(len(w.fleets))]
		c.pages = 1 + w.random.IntN(2)
	case 3:
		for _, key := range sorted(w.shown) {
			if w.chance(0.6) {
				c.Workers = append(c.Workers, key)
			}
		}
		if c.Operation = coverage.BatchGetWorker; len(c.Workers) == 0 {
			return
		}
	case 4, 5, 6:
		keys := slices.DeleteFunc(sorted(w.shown), func(k diff.WorkerKey) bool { return w.busy[k] || !owns(k.WorkerID) || w.workers[k] == nil })
		if len(keys) == 0 {
			return
		}
		key := keys[w.random.IntN(len(keys))]
		c.Operation, c.Workers, c.pages = coverage.ListSessionsForWorker, []diff.WorkerKey{key}, 1+w.random.IntN(3)
		w.busy[key] = true
	case 7, 8:
		c.Operation = coverage.Lookup
		for _, key := range sorted(w.known) {
			if !w.busy[key] && w.chance(0.7) && w.known[key].OpenCount() > 0 {
				c.Workers = append(c.Workers, key)
				c.Sessions = append(c.Sessions, w.known[key].Open()...)
				w.busy[key] = true
			}
		}
		if len(c.Workers) == 0 {
			return
		}
	default:
		c.Operation, c.Farm = coverage.ListSessions, "f"
	}
	target := fmt.Sprint(c.Operation, c.Farm, c.Fleet)
	isList := c.Operation != coverage.BatchGetWorker && c.Operation != coverage.Lookup
	if isList && c.Operation != coverage.ListSessionsForWorker {
		if w.lists[target] != nil {
			return // it is under way
		}
		w.lists[target] = map[string]bool{}
	}
	if isList {
		c.List = w.number + 1
		c.list = &listing{target: target, ids: w.lists[target]}
	}
	w.transmit(c)
}

// transmit sends a request, and decides what the answer is.
func (w *world) transmit(c *call) {
	w.number++
	w.ticks++
	c.Number, c.sentTick = w.number, w.ticks
	c.exact = w.now.Add(-time.Duration(w.random.IntN(1000)) * time.Millisecond) // the service tells whole seconds
	c.At = w.now
	if w.estimates {
		c.At = w.now.Add(-time.Duration(w.random.IntN(1000)) * time.Millisecond)
	}
	c.due = w.now.Add(time.Duration(50+w.random.IntN(3000)) * time.Millisecond)
	if w.chance(0.05) {
		c.due = w.now.Add(time.Duration(w.random.IntN(12)) * time.Second)
	}
	for _, o := range w.failing {
		c.reason = cmp.Or(c.reason, o.reason(c))
	}
	if c.reason == "" && !w.calm && w.chance(0.01) {
		c.reason = []coverage.Reason{coverage.Throttled, coverage.Failing, coverage.Cancelled}[w.random.IntN(3)]
	}
	w.tracker.Sent(c.Request)
	w.inFlight = append(w.inFlight, c)
	c.answer = coverage.Answer{Reason: c.reason}
	c.announced, c.sightings = map[diff.WorkerKey][]*job{}, map[diff.WorkerKey][]diff.Sighting{}
	if c.reason == "" {
		w.process(c)
	}
}

// process lets the service make an answer, of what is true now.
func (w *world) process(c *call) {
	a := &c.answer
	show := func(s *job) {
		c.sightings[s.WorkerKey] = append(c.sightings[s.WorkerKey], diff.Sighting{Session: s.Session})
	}
	status := func(t *truth) {
		a.Shown = append(a.Shown, t.key)
		for _, s := range t.sessions {
			if s.announced {
				c.announced[t.key] = append(c.announced[t.key], s)
			}
		}
	}
	switch c.Operation {
	case coverage.ListFarms:
		a.Farms = []string{"f"}
	case coverage.ListFleets:
		a.Fleets = w.fleets
	case coverage.ListWorkers:
		for _, key := range sorted(w.workers) {
			t := w.workers[key]
			if key.FleetID == c.Fleet && t.deleted.IsZero() && int(key.WorkerID[4])%c.pages == c.page-1 {
				status(t)
			}
		}
	case coverage.BatchGetWorker:
		for _, key := range c.Workers {
			if t := w.workers[key]; t != nil && t.deleted.IsZero() {
				status(t)
			}
		}
	case coverage.ListSessionsForWorker:
		for _, s := range w.workers[c.Workers[0]].sessions {
			if c.pages > 1 && c.list.misses == nil && !s.missedOne && !s.announced && w.chance(0.2) {
				s.missedOne, c.list.misses = true, s
			}
			if s != c.list.misses && !s.hidden {
				show(s)
			}
		}
	case coverage.Lookup:
		for _, s := range c.Sessions {
			if j := w.sessions[s.SessionID]; !j.hidden && (w.calm || !w.chance(0.02)) {
				show(j)
				a.Found = append(a.Found, s.SessionID)
			}
		}
	case coverage.ListSessions:
		for _, key := range sorted(w.shown) {
			if t := w.workers[key]; t != nil {
				for _, s := range t.sessions {
					if owns(key.WorkerID) && !s.hidden && w.chance(0.2) {
						show(s)
					}
				}
			}
		}
	}
}

// answerDue lets the answers arrive that are due.
func (w *world) answerDue() {
	for {
		i := slices.IndexFunc(w.inFlight, func(c *call) bool { return !c.due.After(w.now) })
		if i < 0 {
			return
		}
		c := w.inFlight[i]
		w.inFlight = slices.Delete(w.inFlight, i, i+1)
		w.arrive(c)
	}
}

func (w *world) arrive(c *call) {
	w.ticks++
	x := diff.Exchange{Sent: c.exact, Arrived: w.now, SentTick: c.sentTick, ArrivedTick: w.ticks, At: c.exact}
	a := c.answer
	a.Request = c.Request
	a.At = c.exact
	var observations []diff.Observation
	if c.list != nil {
		again := a.Reason == coverage.Throttled && w.chance(0.8)
		a.UnderWay = again || a.Reason == "" && c.page < c.pages
		a.Complete = a.Reason == "" && c.page == c.pages
	}
	for _, key := range a.Shown {
		if slices.ContainsFunc(c.announced[key], func(s *job) bool { return !s.listed }) {
			a.Awaiting = append(a.Awaiting, key)
		}
	}
	of := func(key diff.WorkerKey, source diff.Source) diff.Observation {
		o := diff.Observation{Worker: key, Source: source}
		for _, s := range c.sightings[key] {
			s.Exchange = x
			o.Sightings = append(o.Sightings, s)
		}
		return o
	}
	switch c.Operation {
	case coverage.ListFarms, coverage.ListFleets:
	case coverage.ListWorkers:
		for _, key := range a.Shown {
			c.list.ids[key.WorkerID] = true
			w.shown[key] = true
			w.workers[key].wasShown = true
		}
		if a.Complete {
			for key := range w.shown {
				if key.FleetID == c.Fleet && !c.list.ids[key.WorkerID] {
					delete(w.shown, key)
				}
			}
		}
	case coverage.ListSessionsForWorker:
		key := c.Workers[0]
		if a.Reason == "" {
			o := of(key, diff.CompleteListing)
			if c.list.first.SentTick == 0 {
				c.list.first = x
				c.list.observation = diff.Observation{Worker: key, Source: diff.CompleteListing, FirstRequest: x, Date: w.now, Pages: c.pages}
			}
			c.list.observation.Sightings = append(c.list.observation.Sightings, o.Sightings...)
		}
		switch {
		case a.Complete:
			observations = append(observations, c.list.observation)
		case !a.UnderWay && len(c.list.observation.Sightings) > 0 && a.Reason == coverage.Cancelled: // stopped
			o := c.list.observation
			o.Source, o.FirstRequest, o.Date, o.Pages = diff.Answers, diff.Exchange{}, time.Time{}, 0
			observations = append(observations, o)
		case !a.UnderWay:
			delete(w.busy, key)
		}
	case coverage.Lookup:
		for _, key := range c.Workers {
			if len(c.sightings[key]) > 0 {
				observations = append(observations, of(key, diff.Answers))
			} else {
				delete(w.busy, key)
			}
		}
	case coverage.ListSessions:
		for _, key := range sorted(c.sightings) {
			observations = append(observations, of(key, diff.Answers))
		}
	}
	if c.list != nil && !a.UnderWay {
		delete(w.lists, c.list.target)
	}
	for _, o := range observations {
		a.Observed = append(a.Observed, o.Worker)
	}
	w.waiting = append(w.waiting, observations...)
	w.ledger.answered(a)
	w.tracker.Answered(a, w.now)
	if a.UnderWay {
		next := &call{Request: c.Request, page: c.page, pages: c.pages, list: c.list}
		if a.Reason == "" {
			next.page++
		}
		w.transmit(next)
	}
}

// commit commits the oldest observation.
func (w *world) commit() {
	o := w.waiting[0]
	w.waiting = w.waiting[1:]
	snapshot, ok := w.known[o.Worker]
	if !ok {
		snapshot = diff.NewSnapshot(o.Worker, diff.Watch{Since: epoch})
	}
	changes := diff.Between(snapshot, o)
	snapshot = diff.Apply(snapshot, changes)
	w.known[o.Worker] = snapshot
	for _, s := range o.Sightings {
		if j := w.sessions[s.Session.SessionID]; snapshot.Knows(j.SessionID) {
			j.listed = true
			j.ended = !slices.ContainsFunc(snapshot.Open(), func(s diff.Session) bool { return s.SessionID == j.SessionID })
		}
	}
	if !slices.ContainsFunc(w.waiting, func(other diff.Observation) bool { return other.Worker == o.Worker }) &&
		!slices.ContainsFunc(w.inFlight, func(c *call) bool {
			return c.Operation >= coverage.ListSessionsForWorker && slices.Contains(c.Workers, o.Worker)
		}) {
		delete(w.busy, o.Worker)
	}
	w.tracker.Committed(o, snapshot, w.now)
}

// settle lets everything be looked at without any failure, until all gaps are closed and nothing is behind.
func (w *world) settle() {
	w.outages, w.handovers, w.deletions, w.calm = false, false, false, true
	w.failing = nil
	for _, s := range w.sessions {
		s.hidden = false
	}
	for range 1500 {
		w.step()
	}
	w.take(true)
	if len(w.open) > 0 {
		w.t.Fatalf("gaps are open although everything works again: %v", w.open)
	}
	if len(w.state.Behind) > 0 {
		w.t.Fatalf("something is behind although everything works again: %+v", w.state.Behind)
	}
}
