package coverage_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/coverage"
	"farmwire/diff"
)

// example tells a Tracker what happens, and says in words what the Tracker publishes. Times are seconds since exampleStart.
// Scopes are written as farm/fleet/worker. Unless a test says otherwise, a request is answered at once.
type example struct {
	t       *testing.T
	config  coverage.Config
	tracker *coverage.Tracker
	now     time.Time
	ahead   time.Duration // of the service's clock, compared with what Sent is told
	number  uint64        // of the last request
	ticks   uint64
	known   map[diff.WorkerKey]diff.Snapshot
	state   coverage.State // of the last Take
}

var exampleStart = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func newExample(t *testing.T, c coverage.Config) *example {
	e := &example{t: t, config: c, now: exampleStart, known: make(map[diff.WorkerKey]diff.Snapshot)}
	e.own(nil)
	return e
}

// newListed returns an example in which the worker f/l/a is the only one, and was listed.
func newListed(t *testing.T) *example {
	e := newExample(t, coverage.Config{})
	e.discover("f", "f/l/a")
	e.list("f/l/a", 1)
	e.take(true)
	return e
}

// own makes a new Tracker, as an instance does that has restored the shard.
func (e *example) own(stored *coverage.State) {
	c := e.config
	c.GapAfter = time.Minute
	if c.Owns == nil {
		c.Owns = func(id string) bool { return !strings.HasPrefix(id, "other") }
	}
	var snapshots []diff.Snapshot
	for _, key := range sorted(e.known) {
		snapshots = append(snapshots, e.known[key])
	}
	e.number, e.ticks = 0, 0
	e.tracker = coverage.NewTracker(c, stored, snapshots, e.now)
}

func seconds(n float64) time.Time { return exampleStart.Add(time.Duration(n * float64(time.Second))) }

// at sets the clock.
func (e *example) at(n float64) *example {
	e.now = seconds(n)
	return e
}

func scope(path string) coverage.Scope {
	parts := append(strings.Split(path, "/"), "", "")
	return coverage.Scope{FarmID: parts[0], FleetID: parts[1], WorkerID: parts[2]}
}

func workers(paths ...string) (keys []diff.WorkerKey) {
	for _, path := range paths {
		keys = append(keys, scope(path))
	}
	return keys
}

// numbered returns count names, from the first number on.
func numbered(prefix string, first, count int) (names []string) {
	for n := first; n < first+count; n++ {
		names = append(names, fmt.Sprintf("%s%04d", prefix, n))
	}
	return names
}

// send sends a request about the farm, the fleet or the workers that the paths name. It is the first of its list, if it is of one.
func (e *example) send(operation coverage.Operation, paths ...string) coverage.Request {
	r := coverage.Request{Operation: operation}
	switch operation {
	case coverage.ListFleets, coverage.ListWorkers:
		target := scope(paths[0])
		r.Farm, r.Fleet = target.FarmID, target.FleetID
	case coverage.BatchGetWorker, coverage.ListSessionsForWorker, coverage.Lookup:
		r.Workers = workers(paths...)
	}
	for _, w := range r.Workers {
		if s, ok := e.known[w]; ok && operation == coverage.Lookup {
			r.Sessions = append(r.Sessions, s.Open()...)
		}
	}
	return e.sendNext(r)
}

// sendNext sends a request for the same list as another one.
func (e *example) sendNext(r coverage.Request) coverage.Request {
	e.number++
	e.ticks++
	r.Number, r.At = e.number, e.now
	if r.List == 0 && r.Operation != coverage.BatchGetWorker && r.Operation != coverage.Lookup {
		r.List = r.Number
	}
	e.tracker.Sent(r)
	return r
}

// answer tells the Tracker that a request is answered. The answer has no reason, and what is set in a.
func (e *example) answer(r coverage.Request, a coverage.Answer) {
	e.ticks++
	a.Request = r
	a.At = r.At.Add(e.ahead)
	e.tracker.Answered(a, e.now)
}

// fails sends a request that is answered with a reason of a gap.
func (e *example) fails(why coverage.Reason, operation coverage.Operation, paths ...string) {
	e.answer(e.send(operation, paths...), coverage.Answer{Reason: why})
}

func (e *example) listFarms(farms ...string) {
	e.answer(e.send(coverage.ListFarms), coverage.Answer{Complete: true, Farms: farms})
}

func (e *example) listFleets(farm string, fleets ...string) {
	e.answer(e.send(coverage.ListFleets, farm), coverage.Answer{Complete: true, Fleets: fleets})
}

func (e *example) listWorkers(fleet string, ids ...string) {
	a := coverage.Answer{Complete: true}
	for _, id := range ids {
		a.Shown = append(a.Shown, scope(fleet+"/"+id))
	}
	e.answer(e.send(coverage.ListWorkers, fleet), a)
}

// discover lists the only farm, its fleets, and their workers, which must be sorted by their fleets.
func (e *example) discover(farm string, paths ...string) {
	e.listFarms(farm)
	var fleets []string
	ids := make(map[string][]string)
	for _, path := range paths {
		w := scope(path)
		if !slices.Contains(fleets, w.FleetID) {
			fleets = append(fleets, w.FleetID)
		}
		if w.WorkerID != "" {
			ids[w.FleetID] = append(ids[w.FleetID], w.WorkerID)
		}
	}
	e.listFleets(farm, fleets...)
	for _, fleet := range fleets {
		e.listWorkers(farm+"/"+fleet, ids[fleet]...)
	}
}

// status asks for the statuses of workers.
func (e *example) status(paths ...string) {
	e.answer(e.send(coverage.BatchGetWorker, paths...), coverage.Answer{Shown: workers(paths...)})
}

// statusAsks asks for the status of a worker, which asks for a listing.
func (e *example) statusAsks(path string) {
	e.answer(e.send(coverage.BatchGetWorker, path), coverage.Answer{Shown: workers(path), Awaiting: workers(path)})
}

// sighting returns an open session as an answer to a request shows it.
func (e *example) sighting(r coverage.Request, id string) diff.Sighting {
	s := diff.Session{WorkerKey: r.Workers[0], QueueID: "q", JobID: "j", SessionID: id, LifecycleStatus: diff.StatusStarted, StartedAt: exampleStart}
	return diff.Sighting{Session: s, Exchange: e.exchange(r)}
}

func (e *example) exchange(r coverage.Request) diff.Exchange {
	e.ticks += 2
	return diff.Exchange{Sent: r.At, Arrived: e.now, SentTick: e.ticks - 1, ArrivedTick: e.ticks, At: r.At.Add(e.ahead)}
}

// commit commits an observation.
func (e *example) commit(o diff.Observation) {
	s, ok := e.known[o.Worker]
	if !ok {
		s = diff.NewSnapshot(o.Worker, diff.Watch{Since: exampleStart})
	}
	s = diff.Apply(s, diff.Between(s, o))
	e.known[o.Worker] = s
	e.tracker.Committed(o, s, e.now)
}

// list reads and commits a listing of a worker of so many pages, the last of which shows open sessions.
func (e *example) list(path string, pages int, sessions ...string) {
	e.commit(e.readPages(e.send(coverage.ListSessionsForWorker, path), pages, sessions...))
}

// readPages answers all requests of a listing, of which the first one is sent already, and returns what is not committed yet.
func (e *example) readPages(first coverage.Request, pages int, sessions ...string) diff.Observation {
	o := diff.Observation{Worker: first.Workers[0], Source: diff.CompleteListing, FirstRequest: e.exchange(first), Date: e.now, Pages: pages}
	r := first
	for range pages - 1 {
		e.answer(r, coverage.Answer{UnderWay: true})
		r = e.sendNext(r)
	}
	for _, id := range sessions {
		o.Sightings = append(o.Sightings, e.sighting(r, id))
	}
	e.answer(r, coverage.Answer{Complete: true, Observed: first.Workers})
	return o
}

// sweep asks for the open sessions of a worker, which are all shown, and commits that.
func (e *example) sweep(path string) { e.answerSweep(e.send(coverage.Lookup, path)) }

func (e *example) answerSweep(r coverage.Request) {
	a := coverage.Answer{Observed: r.Workers}
	o := diff.Observation{Worker: r.Workers[0]}
	for _, s := range r.Sessions {
		a.Found = append(a.Found, s.SessionID)
		o.Sightings = append(o.Sightings, e.sighting(r, s.SessionID))
	}
	e.answer(r, a)
	e.commit(o)
}

// take returns what is due, in words.
func (e *example) take(heartbeat bool) (words []string) {
	var records []coverage.Record
	records, e.state = e.tracker.Take(e.now, heartbeat)
	for _, r := range records {
		words = append(words, describe(r)...)
	}
	return words
}

// publishes checks what is published now, with a heartbeat.
func (e *example) publishes(want ...string) {
	e.t.Helper()
	e.expect(want, e.take(true))
}

func (e *example) expect(want, got []string) {
	e.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		e.t.Errorf("after %v this is published (-want +got):\n%s", e.now.Sub(exampleStart), d)
	}
}

// describe says in words what a record says.
func describe(r coverage.Record) (words []string) {
	if g := r.Gap; g != nil {
		text := fmt.Sprintf("gap %d", g.Number)
		if g.Closed {
			text += fmt.Sprintf(" is over: %s, %s from %s to %s", g.Reason, path(g.Scope), when(g.From), when(g.To))
		} else {
			text += fmt.Sprintf(" begins: %s, %s from %s, affects%s", g.Reason, path(g.Scope), when(g.From), affected(g.Affects, coverage.Watermark{}, false))
		}
		if g.Workers != nil {
			var ids []string
			for id, p := range g.Workers {
				ids = append(ids, fmt.Sprintf("%s from %s to %s", id, when(p.From), when(p.To)))
			}
			slices.Sort(ids)
			text += ": " + strings.Join(ids, ", ")
		}
		return []string{text}
	}
	h := r.Heartbeat
	words = append(words, "watermark:"+affected(coverage.Affects{Changes: true, Announced: true, Starts: true}, h.Watermark, true))
	for _, b := range h.Behind {
		words = append(words, fmt.Sprintf("behind because of gap %d: %s,%s", b.Gap, path(b.Scope), affected(b.Affects, b.Watermark, true)))
	}
	return words
}

func affected(kinds coverage.Affects, w coverage.Watermark, times bool) (text string) {
	add := func(is bool, name string, at time.Time) {
		switch {
		case is && times:
			text += " " + name + " " + when(at)
		case is:
			text += " " + name
		}
	}
	add(kinds.Changes, "changes", w.Changes)
	add(kinds.Announced, "announced", w.Announced)
	add(kinds.Starts, "starts", w.Starts)
	return text
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprintf("%gs", t.Sub(exampleStart).Seconds())
}

func path(s coverage.Scope) string {
	if (s == coverage.Scope{}) {
		return "everything"
	}
	return strings.TrimRight(strings.Join([]string{s.FarmID, s.FleetID, s.WorkerID}, "/"), "/")
}
