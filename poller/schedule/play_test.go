package schedule

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
)

const (
	page      = 100    // workers on a page of ListWorkers
	firstDead = 50_000 // the number of the first worker that is not shown
)

var allReasons = []Reason{
	Throttled, ServerError, Timeout, Connection, Malformed, Denied, Credentials, Unfetched, ResourceNotFound, Refused, Other,
	RepeatedToken, NoList, MissingField, FieldTooLong, ReservedID, TooManyPages,
}

// play drives a Schedule in virtual time. Its answers are those of a test.
type play struct {
	schedule *Schedule
	config   Config
	now      time.Time
	latency  func(Call) time.Duration
	commit   func() time.Duration       // how long a commit takes
	answer   func(Call) Answer          // to anything but discovery; the statuses that a good answer lacks are added
	found    func(Call) Answer          // to discovery
	known    func(diff.WorkerKey) Known // what is committed of a worker; Worker need not be set
	workers  map[fleetKey][]Worker      // that exist
	busy     map[diff.WorkerKey]uint64  // the list or lookup that a worker is in, or that is not committed
	pending  []pending                  // calls in flight, and commits
	shards   map[uint64][]int           // see Call.Shards, by Call.List
	calls    []made
	outcomes []Outcome
	broken   error // what the schedule did that it must never do; nil if nothing
}

// pending is something that ends later: a call, or the commit of a worker.
type pending struct {
	at     time.Time
	call   Call
	sent   time.Time
	commit diff.WorkerKey
}

// made is a call that was made.
type made struct {
	Call
	at time.Time
}

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newPlay returns a play of a schedule that owns no shard. The service has one fleet without workers, and answers everything.
func newPlay(staleness time.Duration, rate float64, seed uint64) *play {
	return newPlayOf(Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Staleness: staleness, Rate: rate}, seed)
}

func newPlayOf(c Config, seed uint64) *play {
	c.Discovery, c.Shards = cmp.Or(c.Discovery, 30*time.Second), max(1, c.Shards)
	if c.Shard == nil {
		c.Shard = func(string) int { return 0 }
	}
	c.Random = rand.New(rand.NewPCG(seed, 1))
	p := &play{
		schedule: New(c, start), config: c, now: start,
		latency: func(Call) time.Duration { return 50 * time.Millisecond },
		commit:  func() time.Duration { return 0 },
		known:   func(diff.WorkerKey) Known { return Known{} },
		workers: map[fleetKey][]Worker{{"farm-1", "fleet-1"}: nil},
		busy:    make(map[diff.WorkerKey]uint64), shards: make(map[uint64][]int),
	}
	p.answer, p.found = lookedUp, p.discovered
	return p
}

// own lets the schedule own its only shard, with what is known of the workers.
func (p *play) own(workers ...diff.WorkerKey) *play {
	p.schedule.Own(0, p.knownOf(workers), p.now)
	return p
}

func (p *play) knownOf(workers []diff.WorkerKey) (all []Known) {
	for _, w := range workers {
		k := p.known(w)
		k.Worker = w
		all = append(all, k)
	}
	return all
}

func key(n int) diff.WorkerKey {
	return diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprintf("worker-%05d", n)}
}

// number is the inverse of key.
func number(w diff.WorkerKey) int {
	n, err := strconv.Atoi(strings.TrimPrefix(w.WorkerID, "worker-"))
	if err != nil {
		panic(err)
	}
	return n
}

func isDead(w diff.WorkerKey) bool { return w.WorkerID != "" && number(w) >= firstDead }

// add adds workers to the fleet of key.
func (p *play) add(from, to int) *play {
	for n := from; n < to; n++ {
		p.workers[fleetKey{"farm-1", "fleet-1"}] = append(p.workers[fleetKey{"farm-1", "fleet-1"}], Worker{ID: key(n).WorkerID, Status: diff.WorkerStatus{Status: "RUNNING"}})
	}
	return p
}

// remove removes workers.
func (p *play) remove(from, to int) {
	p.workers[fleetKey{"farm-1", "fleet-1"}] = slices.DeleteFunc(p.workers[fleetKey{"farm-1", "fleet-1"}], func(w Worker) bool {
		n := number(diff.WorkerKey{WorkerID: w.ID})
		return from <= n && n < to
	})
}

// setStatus changes the status of a worker.
func (p *play) setStatus(n int, status string) {
	for i, w := range p.workers[fleetKey{"farm-1", "fleet-1"}] {
		if w.ID == key(n).WorkerID {
			p.workers[fleetKey{"farm-1", "fleet-1"}][i].Status.Status = status
		}
	}
}

// allIdle says of all workers that they are idle. Else, those without a session are RUNNING for no reason.
func (p *play) allIdle() *play {
	for _, workers := range p.workers {
		for i := range workers {
			workers[i].Status.Status = "IDLE"
		}
	}
	return p
}

func openSession(w diff.WorkerKey, n int) diff.Session {
	return diff.Session{WorkerKey: w, QueueID: "queue-1", JobID: "job-1", SessionID: fmt.Sprintf("session-%s-%s-%04d", w.FleetID, w.WorkerID, n), LifecycleStatus: diff.StatusStarted}
}

func openSessions(w diff.WorkerKey, n int) (all []diff.Session) {
	for i := range n {
		all = append(all, openSession(w, i))
	}
	return all
}

// lookedUp answers a listing with one empty page, and a lookup with that all sessions are found.
func lookedUp(c Call) Answer {
	a := Answer{HasDate: true}
	for _, s := range c.Sessions {
		if a.Findings == nil {
			a.Findings = make(map[string]Finding)
		}
		a.Findings[s.SessionID] = Found
	}
	return a
}

// refused returns the answer of a failure.
func refused(r Reason) Answer { return Answer{Reason: r} }

var noSuch = Answer{Reason: ResourceNotFound, NotFound: "worker"}

// discovered answers a call of discovery. The token of a page of workers is the number of the first one.
func (p *play) discovered(c Call) (a Answer) {
	farms := make(map[string]bool)
	for f := range p.workers {
		farms[f.farm] = true
		if f.farm == c.Farm && p.selects(f.fleet) {
			a.Fleets = append(a.Fleets, f.fleet)
		}
	}
	switch c.Kind {
	case ListFarms:
		a.Fleets = nil
		for id := range farms {
			a.Farms = append(a.Farms, id)
		}
		return a
	case ListFleets:
		if !farms[c.Farm] {
			return Answer{Reason: ResourceNotFound, NotFound: "farm"}
		}
		return a
	}
	workers, ok := p.workers[fleetKey{c.Farm, c.Fleet}]
	if !ok {
		return Answer{Reason: ResourceNotFound, NotFound: "fleet"}
	}
	from, _ := strconv.Atoi(c.Token)
	from = min(from, len(workers))
	to := min(from+page, len(workers))
	a = Answer{Workers: slices.Clone(workers[from:to])}
	if to < len(workers) {
		a.Next = strconv.Itoa(to)
	}
	return a
}

func (p *play) selects(fleet string) bool {
	return len(p.config.Fleets) == 0 || slices.Contains(p.config.Fleets, fleet)
}

// run goes on for that time.
func (p *play) run(d time.Duration) {
	for end := p.now.Add(d); p.now.Before(end) && p.broken == nil; {
		p.end()
		c, wake := p.schedule.Next(p.now)
		if c.Number != 0 {
			p.begin(c)
			continue
		}
		if !wake.IsZero() && !wake.After(p.now) {
			p.broken = fmt.Errorf("at %v the schedule has no call and does not want to wait", p.now)
			return
		}
		next := end
		if !wake.IsZero() && wake.Before(next) {
			next = wake
		}
		for _, x := range p.pending {
			next = soonest(next, x.at)
		}
		p.now = latest(p.now, next)
	}
}

// workersOf returns the workers that a call asks about.
func workersOf(c Call) (all []diff.WorkerKey) {
	if c.Kind == ListSessionsForWorker {
		return []diff.WorkerKey{c.Worker}
	}
	for _, s := range c.Sessions {
		if !slices.Contains(all, s.WorkerKey) {
			all = append(all, s.WorkerKey)
		}
	}
	return all
}

func (p *play) begin(c Call) {
	p.calls = append(p.calls, made{c, p.now})
	p.pending = append(p.pending, pending{at: p.now.Add(p.latency(c)), call: c, sent: p.now})
	if isTrial(c) {
		return
	}
	isOther := func(w diff.WorkerKey) bool { return w.FarmID != c.Workers[0].FarmID }
	if c.Kind == BatchGetWorker && (len(c.Workers) == 0 || len(c.Workers) > batchSize || slices.ContainsFunc(c.Workers, isOther)) {
		p.broken = fmt.Errorf("BatchGetWorker of %v", c.Workers)
	}
	if c.Kind == BatchGetSession && (len(c.Sessions) == 0 || len(c.Sessions) > batchSize) || c.Kind == GetSession && len(c.Sessions) != 1 {
		p.broken = fmt.Errorf("%s of %d sessions", c.Kind.Operation(), len(c.Sessions))
	}
	for _, w := range workersOf(c) {
		if in := p.busy[w]; in != 0 && in != c.List {
			p.broken = fmt.Errorf("worker %s is in %d and %d at a time", w.WorkerID, in, c.List)
		}
		p.busy[w], p.shards[c.List] = c.List, c.Shards
	}
}

// isTrial reports whether a call is for no worker, see trial.go.
func isTrial(c Call) bool { return len(c.Sessions) > 0 && len(c.Shards) == 0 }

// end ends the calls and commits whose time has come.
func (p *play) end() {
	due := slices.IndexFunc(p.pending, func(x pending) bool { return !x.at.After(p.now) })
	for ; due >= 0; due = slices.IndexFunc(p.pending, func(x pending) bool { return !x.at.After(p.now) }) {
		x := p.pending[due]
		p.pending = slices.Delete(p.pending, due, due+1)
		if x.call.Number == 0 {
			delete(p.busy, x.commit)
			p.schedule.Committed(p.knownOf([]diff.WorkerKey{x.commit})[0], p.now)
			continue
		}
		p.done(x, p.answerOf(x.call))
	}
}

func (p *play) answerOf(c Call) Answer {
	if c.Kind.IsDiscovery() {
		return p.found(c)
	}
	a := p.answer(c)
	if c.Kind == BatchGetWorker && a.Reason == "" && a.Statuses == nil {
		return p.showing(c, a)
	}
	return a
}

// showing adds the statuses of the workers that exist to an answer to BatchGetWorker, and says of the others that they do not.
func (p *play) showing(c Call, a Answer) Answer {
	a.Statuses = make(map[diff.WorkerKey]diff.WorkerStatus)
	for _, w := range c.Workers {
		in := p.workers[fleetKey{w.FarmID, w.FleetID}]
		if i := slices.IndexFunc(in, func(x Worker) bool { return x.ID == w.WorkerID }); i >= 0 {
			a.Statuses[w] = in[i].Status
		} else {
			a.Gone = append(a.Gone, w)
		}
	}
	return a
}

func (p *play) done(x pending, a Answer) {
	a.Sent = x.sent
	o := p.schedule.Done(x.call, a, p.now)
	p.outcomes = append(p.outcomes, o)
	for _, w := range o.Workers {
		if p.busy[w] != 0 || x.call.Kind != ListSessions {
			p.broken = fmt.Errorf("%d of %s observes worker %s, which is in %d", x.call.List, x.call.Kind.Operation(), w.WorkerID, p.busy[w])
		}
		p.busy[w] = x.call.List
		p.pending = append(p.pending, pending{at: p.now.Add(p.commit()), commit: w})
	}
	if o.Stage == UnderWay || isTrial(x.call) {
		return
	}
	for _, w := range workersOf(x.call) {
		if p.busy[w] != x.call.List {
			continue // its shard was disowned meanwhile
		}
		if o.Stage != Discarded && !o.Ignored && isObserved(x.call, w, a, o) {
			p.pending = append(p.pending, pending{at: p.now.Add(p.commit()), commit: w})
		} else {
			delete(p.busy, w)
		}
	}
}

// isObserved reports whether there is an observation of a worker.
func isObserved(c Call, w diff.WorkerKey, a Answer, o Outcome) bool {
	return c.Kind == ListSessionsForWorker || slices.ContainsFunc(c.Sessions, func(s diff.Session) bool {
		f := a.Findings[s.SessionID]
		return s.WorkerKey == w && (f == Found || f == NotFound || slices.Contains(o.Confirmed, s.SessionID))
	})
}

// disown disowns a shard. As a poller does, it gives up the calls that ask about its workers, and the lists and lookups that
// wait for their next call.
func (p *play) disown(shard int) {
	p.schedule.Disown(shard, p.now)
	goesOn := make(map[diff.WorkerKey]bool)
	var given, kept []pending
	for _, x := range p.pending {
		switch {
		case x.call.Number == 0 && p.config.Shard(x.commit.WorkerID) == shard:
			delete(p.busy, x.commit)
		case slices.Contains(x.call.Shards, shard):
			given = append(given, x)
		default:
			kept = append(kept, x)
			goesOn[x.commit] = true
		}
	}
	p.pending = kept
	for _, x := range given {
		p.done(x, refused(Cancelled))
	}
	for w, list := range p.busy {
		if !goesOn[w] && slices.Contains(p.shards[list], shard) {
			delete(p.busy, w)
		}
	}
}

// gaps returns the times between the listings of each worker that began at from or later.
func (p *play) gaps(from time.Time) map[diff.WorkerKey][]time.Duration {
	last := make(map[diff.WorkerKey]time.Time)
	gaps := make(map[diff.WorkerKey][]time.Duration)
	for _, c := range p.calls {
		if c.Kind != ListSessionsForWorker || c.Page > 1 {
			continue
		}
		if before, ok := last[c.Worker]; ok && !before.Before(from) {
			gaps[c.Worker] = append(gaps[c.Worker], c.at.Sub(before))
		}
		last[c.Worker] = c.at
	}
	return gaps
}

// count counts the calls for which the condition holds.
func (p *play) count(is func(made) bool) (n int) {
	for _, c := range p.calls {
		if is(c) {
			n++
		}
	}
	return n
}

// check fails the test if a law was broken.
func (p *play) check(t testing.TB) {
	t.Helper()
	if p.broken == nil {
		p.broken = consistent(p.schedule)
	}
	if p.broken != nil {
		t.Fatal(p.broken)
	}
}
