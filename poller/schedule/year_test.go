// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
	wire "farmwire/event"
)

// year is a simulation of Farmwire beside an autoscaled fleet in virtual time. It runs the real schedule, the real comparison
// and the real state records. It is restarted once a day from the records that compaction leaves.
type year struct {
	t     testing.TB
	fleet yearFleet
	play  *play
	tick  uint64

	state     map[string][]byte // the state topic after compaction
	snapshots map[diff.WorkerKey]diff.Snapshot
	published map[int][]uint8        // by worker: the last sequence of each of its sessions
	sessions  map[int][]diff.Session // of the service, by worker
	forgets   bool                   // absences are stored; false is how it was before
	encoder   wire.Encoder

	requests, deadRequests, written int
}

// yearFleet is a fleet in which so many workers run at a time. Each lives for the lifetime, has so many sessions one after
// the other, and is deleted while the last one is open. Ended sessions are listed as long as their worker exists or, if
// listedFor is not zero, for so long.
type yearFleet struct {
	begin     time.Time
	workers   int
	lifetime  time.Duration
	sessions  int
	listedFor time.Duration
}

// born returns when a worker, which is given by its number, is made.
func (f yearFleet) born(n int) time.Time {
	return f.begin.Add(time.Duration(n) * f.lifetime / time.Duration(f.workers))
}

// live returns the numbers of the workers that exist: from first to before end.
func (f yearFleet) live(now time.Time) (first, end int) {
	each := f.lifetime / time.Duration(f.workers)
	end = int(now.Sub(f.begin)/each) + 1
	return max(0, end-f.workers), end
}

func yearKey(n int) diff.WorkerKey {
	return diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: fmt.Sprintf("worker-%032x", n)}
}

func yearNumber(id string) int {
	n, _ := strconv.ParseUint(strings.TrimPrefix(id, "worker-"), 16, 64)
	return int(n)
}

// session returns a session of a worker as the service shows it, and false if it has not begun.
func (y *year) session(n, i int, now time.Time) (diff.Session, bool) {
	length := y.fleet.lifetime / time.Duration(y.fleet.sessions)
	all := y.sessions[n]
	if all == nil {
		delete(y.sessions, n-4*y.fleet.workers)
		for i := range y.fleet.sessions {
			all = append(all, diff.Session{
				WorkerKey: yearKey(n), QueueID: "queue-1", JobID: "job-1", SessionID: fmt.Sprintf("session-%016x%016x", n, i),
				LifecycleStatus: diff.StatusStarted, StartedAt: y.fleet.born(n).Add(time.Duration(i) * length),
			})
		}
		y.sessions[n] = all
	}
	s := all[i]
	if end := s.StartedAt.Add(length); !now.Before(end) {
		s.LifecycleStatus, s.EndedAt = diff.StatusEnded, end
	}
	return s, !now.Before(s.StartedAt)
}

// sessionNumbers returns the numbers of a session's worker and of the session.
func sessionNumbers(id string) (n, i int) {
	high, _ := strconv.ParseUint(id[8:24], 16, 64)
	low, _ := strconv.ParseUint(id[24:], 16, 64)
	return int(high), int(low)
}

func (y *year) exchange(at time.Time) diff.Exchange {
	y.tick += 2
	return diff.Exchange{Sent: at, Arrived: at, SentTick: y.tick - 1, ArrivedTick: y.tick}
}

// list observes a worker as the service shows it.
func (y *year) list(key diff.WorkerKey, now time.Time) diff.Observation {
	x := y.exchange(now)
	o := diff.Observation{Worker: key, Source: diff.CompleteListing, FirstRequest: x, Date: now.Truncate(time.Second), Pages: 1}
	n := yearNumber(key.WorkerID)
	if first, _ := y.fleet.live(now); n < first {
		o.Source = diff.NoSuchWorker
		y.deadRequests++
		return o
	}
	o.Sightings = make([]diff.Sighting, 0, y.fleet.sessions)
	for i := range y.fleet.sessions {
		s, begun := y.session(n, i, now)
		if !begun {
			break
		}
		if y.fleet.listedFor > 0 && s.HasEnded() && now.Sub(s.EndedAt) > y.fleet.listedFor {
			continue
		}
		o.Sightings = append(o.Sightings, diff.Sighting{Session: s, Exchange: x})
	}
	o.Pages = max(1, (len(o.Sightings)+yearPage-1)/yearPage)
	return o
}

// answer answers a call. It observes what the call shows when it is complete, as the Schedule will see.
func (y *year) answer(c Call) Answer {
	y.requests++
	now := y.play.now
	if c.Kind == ListSessionsForWorker {
		o := y.list(c.Worker, now)
		switch {
		case o.Source == diff.NoSuchWorker:
			y.commit(o)
			return noSuch
		case c.Page < o.Pages:
			return Answer{Next: "x"}
		}
		y.commit(o)
		return Answer{}
	}
	if c.Kind != BatchGetSession && c.Kind != GetSession {
		return Answer{}
	}
	x := y.exchange(now)
	for _, s := range c.Sessions {
		n, i := sessionNumbers(s.SessionID)
		shown, _ := y.session(n, i, now)
		if s.SessionID != shown.SessionID {
			y.t.Fatalf("looked up %s", s.SessionID)
		}
		y.commit(diff.Observation{Worker: s.WorkerKey, Sightings: []diff.Sighting{{Session: shown, Exchange: x}}})
	}
	return lookedUp(c)
}

// commit is the loop of farmwire. It checks that every session has its events exactly once.
func (y *year) commit(o diff.Observation) {
	snapshot, known := y.snapshots[o.Worker]
	if !known {
		snapshot = diff.NewSnapshot(o.Worker, diff.Watch{Since: y.fleet.begin})
	}
	c := diff.Between(snapshot, o)
	if c.Absences != nil {
		y.put(wire.AppendAbsencesKey(nil, o.Worker), wire.AppendAbsences(nil, *c.Absences, 1<<20))
	}
	for i := range c.Events {
		e := &c.Events[i]
		y.encoder.Encode(e, wire.Envelope{Region: "eu-west-1", Recorded: y.play.now})
		n, i := sessionNumbers(e.Session.SessionID)
		if y.published[n] == nil {
			y.published[n] = make([]uint8, y.fleet.sessions)
		}
		if y.published[n][i]++; uint64(y.published[n][i]) != e.Sequence {
			y.t.Fatalf("%s %s is number %d, want %d", e.Session.SessionID, e.Kind, e.Sequence, y.published[n][i])
		}
	}
	for _, r := range c.Records() {
		y.put([]byte(r.Session.SessionID), wire.AppendSession(nil, &r))
	}
	for _, id := range c.Forgotten {
		y.put([]byte(id), nil)
	}
	snapshot = diff.Apply(snapshot, c)
	if y.snapshots[o.Worker] = snapshot; snapshot.Empty() && o.Source == diff.NoSuchWorker {
		delete(y.snapshots, o.Worker)
	}
}

func (y *year) put(key, value []byte) {
	y.written += len(key) + len(value)
	if len(value) == 0 {
		delete(y.state, string(key))
		return
	}
	y.state[string(key)] = value
}

// restart restores everything from the state records.
func (y *year) restart(now time.Time) {
	r := diff.NewRestorer()
	var scanned wire.ScannedSession
	for key, value := range y.state {
		if scanned.Scan(value) && scanned.Ended() {
			r.PutEnded(scanned.Session, scanned.Farm, scanned.Fleet, scanned.Worker, scanned.Vanished)
			continue
		}
		record, err := wire.DecodeState([]byte(key), value)
		switch {
		case err != nil:
			y.t.Fatal(err)
		case record.Absences != nil && y.forgets:
			r.PutAbsences(*record.Absences)
		case record.Session != nil:
			r.Put(*record.Session)
		}
	}
	y.snapshots = r.Snapshots(func(string) diff.Watch { return diff.Watch{Since: y.fleet.begin} })
	y.play = newPlayOf(Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Staleness: 30 * time.Minute, Discovery: 10 * time.Minute, Rate: .02}, uint64(now.Unix()))
	y.play.now, y.tick = now, 0
	y.play.schedule = New(y.play.config, now)
	y.play.answer, y.play.found = y.answer, y.found
	y.play.known = func(key diff.WorkerKey) Known { return KnownOf(y.snapshots[key]) }
	y.play.own(slices.Collect(maps.Keys(y.snapshots))...)
}

// found lists the workers that exist.
func (y *year) found(c Call) Answer {
	if c.Page == 1 {
		first, end := y.fleet.live(y.play.now)
		y.play.workers[fleetKey{"farm-1", "fleet-1"}] = nil
		for n := first; n < end; n++ {
			y.play.workers[fleetKey{"farm-1", "fleet-1"}] = append(y.play.workers[fleetKey{"farm-1", "fleet-1"}], Worker{ID: yearKey(n).WorkerID, Status: diff.WorkerStatus{Status: "RUNNING"}})
		}
	}
	return y.play.discovered(c)
}

const yearPage = 100 // sessions on a page

// day is what is there at the end of a day.
type day struct{ records, bytes, remembered, workers, requests, deadRequests, written int }

func (y *year) day(begin time.Time) day {
	y.restart(begin)
	y.requests, y.deadRequests, y.written = 0, 0, 0
	y.play.run(24 * time.Hour)
	y.play.check(y.t)
	d := day{records: len(y.state), workers: len(y.snapshots), requests: y.requests, deadRequests: y.deadRequests, written: y.written}
	for key, value := range y.state {
		d.bytes += len(key) + len(value)
	}
	for _, s := range y.snapshots {
		d.remembered += s.Remembered()
	}
	return d
}

// run returns the days' maxima of each quarter, which has thirty days here for the sake of the time that the test takes.
func (y *year) run(quarters int) (all []day) {
	y.t.Helper()
	now := y.fleet.begin
	y.state, y.published = map[string][]byte{}, map[int][]uint8{}
	y.sessions = map[int][]diff.Session{}
	for q := range quarters {
		var most day
		for range 30 {
			d := y.day(now)
			now = now.Add(24 * time.Hour)
			most = day{
				max(most.records, d.records), max(most.bytes, d.bytes), max(most.remembered, d.remembered), max(most.workers, d.workers),
				max(most.requests, d.requests), max(most.deadRequests, d.deadRequests), max(most.written, d.written),
			}
		}
		all = append(all, most)
		y.t.Logf("quarter %d: %d records, %d KB; %d sessions of %d workers are remembered; %d requests a day, %d for workers that do not exist; %d KB of state a day",
			q+1, most.records, most.bytes/1000, most.remembered, most.workers, most.requests, most.deadRequests, most.written/1000)
	}
	return all
}

// Four quarters, of daily restarts and of workers that come and go: what is stored, remembered and asked depends on the size of
// the fleet, and not on how long Farmwire has been running. BenchmarkYear is the same with larger workers, and prints figures.
func TestYear(t *testing.T) { years(t, 1, 30) }

func BenchmarkYear(b *testing.B) {
	for b.Loop() {
		years(b, 4, 300)
	}
}

// years simulates four quarters of two fleets, in which so many workers are deleted a day and have so many sessions.
func years(t testing.TB, deleted, sessions int) {
	begin := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, fleet := range []yearFleet{
		{begin: begin, workers: deleted, lifetime: day, sessions: sessions},
		{begin: begin, workers: 10 * deleted, lifetime: 10 * day, sessions: sessions, listedFor: 3 * day},
	} {
		t.Logf("%d workers that live for %v and have %d sessions, which are listed for %v (0: as long as their worker exists)",
			fleet.workers, fleet.lifetime, fleet.sessions, fleet.listedFor)
		quarters := (&year{t: t, fleet: fleet, forgets: true}).run(4)
		for _, q := range quarters {
			// A deleted worker is listed at once, again when its last session has been looked up, and once for each mark.
			kept := (2 + int(fleet.listedFor/day)) * deleted * sessions // a day's sessions, until they are forgotten
			if q.remembered > kept || q.records > q.remembered+3*fleet.workers || q.deadRequests > 8*deleted {
				t.Errorf("%+v, though only %d workers are deleted a day", q, deleted)
			}
		}
		before, last := quarters[2], quarters[3]
		for what, pair := range map[string][2]int{
			"records": {before.records, last.records}, "bytes": {before.bytes, last.bytes}, "remembered sessions": {before.remembered, last.remembered},
			"workers": {before.workers, last.workers}, "requests": {before.requests, last.requests}, "written bytes": {before.written, last.written},
		} {
			if float64(pair[1]) > 1.1*float64(pair[0]) {
				t.Errorf("%s grew from %d to %d in the last quarter", what, pair[0], pair[1])
			}
		}
	}
	t.Log("as before absences were stored")
	y := &year{t: t, fleet: yearFleet{begin: begin, workers: deleted, lifetime: day, sessions: sessions}}
	if all := y.run(2); all[1].remembered < 3*all[0].remembered/2 {
		t.Error("sessions are forgotten, so this simulation does not show what it should")
	}
}
