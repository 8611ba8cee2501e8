package diff

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// world makes observations of a service that may show anything: stale states, and answers that arrive out of order or
// twice.
type world struct {
	now  time.Time
	skew time.Duration // of the service's clock
	tick uint64
	ids  []string
}

func newWorld() *world {
	return &world{now: epoch, skew: -time.Hour, tick: 1, ids: []string{
		packedID{high: 1 << 56}.String(), packedID{high: 1 << 56, low: 1}.String(), packedID{high: 255 << 56}.String(), "session-odd", "another",
	}}
}

func drawWatch(t *rapid.T) Watch {
	return Watch{
		Since:   epoch.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "since")) * time.Second),
		Initial: rapid.SampledFrom([]Initial{InitialOpen, InitialAll, InitialNone}).Draw(t, "initial"),
	}
}

func drawSession(t *rapid.T, id string) Session {
	second := func(name string) time.Time {
		return epoch.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, name)) * time.Second)
	}
	s := Session{
		WorkerKey: testWorker, SessionID: id, StartedAt: second("start"),
		QueueID: rapid.SampledFrom([]string{"q1", "q2"}).Draw(t, "queue"),
		LifecycleStatus: rapid.SampledFrom([]string{
			StatusStarted, StatusStarted, StatusUpdateInProgress, StatusUpdateSucceeded, StatusUpdateFailed, StatusEnded, "PAUSED",
		}).Draw(t, "status"),
		TargetLifecycleStatus: rapid.SampledFrom([]string{"", "", StatusEnded, "LATER"}).Draw(t, "target"),
	}
	if rapid.IntRange(0, 5).Draw(t, "has end") == 0 {
		s.EndedAt = second("end")
	}
	return s
}

// exchange returns the next exchange, which sometimes overlaps with those before it.
func (w *world) exchange(t *rapid.T) Exchange {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int64{
		1, 1_000_001, 10e9, 70e9, 13 * 3600e9,
	}).Draw(t, "pause")))
	x := Exchange{Sent: w.now, SentTick: w.tick + 1, ArrivedTick: w.tick + 2}
	if rapid.IntRange(0, 4).Draw(t, "early") == 0 {
		x.SentTick = max(1, w.tick-min(w.tick, 2))
	}
	w.tick = x.ArrivedTick
	w.now = w.now.Add(1_234_567)
	x.Arrived = w.now
	return x
}

func (w *world) observe(t *rapid.T) Observation {
	o := Observation{Worker: testWorker, FirstRequest: w.exchange(t), Pages: 1}
	o.Date = o.FirstRequest.Sent.Add(w.skew).Truncate(time.Second)
	o.Source = rapid.SampledFrom([]Source{CompleteListing, CompleteListing, Answers, NoSuchWorker}).Draw(t, "source")
	if o.Source == NoSuchWorker {
		return o
	}
	for x := o.FirstRequest; ; x, o.Pages = w.exchange(t), o.Pages+1 {
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			id := rapid.SampledFrom(w.ids).Draw(t, "id")
			o.Sightings = append(o.Sightings, Sighting{drawSession(t, id), x})
		}
		if o.Source == Answers {
			for range rapid.IntRange(0, 3).Draw(t, "missing") {
				n := NotFound{SessionID: rapid.SampledFrom(w.ids).Draw(t, "id"), Exchange: x}
				if rapid.Bool().Draw(t, "container") {
					n.MissingAt = x.Sent.Add(time.Hour).Truncate(time.Second) // the service's clock is ahead
				}
				o.NotFound = append(o.NotFound, n)
			}
		}
		if rapid.IntRange(0, 2).Draw(t, "last") != 0 || o.Pages == 4 {
			return o
		}
	}
}

// again returns an observation with the same answers to later requests.
func (w *world) again(t *rapid.T, o Observation) Observation {
	later := map[Exchange]Exchange{}
	renew := func(x Exchange) Exchange {
		y, ok := later[x]
		if !ok {
			w.tick += 2
			w.now = w.now.Add(time.Second)
			y = Exchange{Sent: w.now, Arrived: w.now, SentTick: w.tick - 1, ArrivedTick: w.tick}
			later[x] = y
		}
		return y
	}
	exchanges := []Exchange{o.FirstRequest}
	for _, s := range o.Sightings {
		exchanges = append(exchanges, s.Exchange)
	}
	slices.SortStableFunc(exchanges, func(a, b Exchange) int { return int(a.SentTick) - int(b.SentTick) })
	for _, x := range exchanges {
		renew(x)
	}
	o.FirstRequest = renew(o.FirstRequest)
	o.NotFound = nil
	o.Sightings = slices.Clone(o.Sightings)
	for i := range o.Sightings {
		o.Sightings[i].Exchange = renew(o.Sightings[i].Exchange)
	}
	return o
}

// distinctPages reports whether the pages of an observation have different ticks, as those of one process have.
func distinctPages(o Observation) bool {
	pages := map[uint64]Exchange{}
	for _, s := range o.Sightings {
		if x, ok := pages[s.SentTick]; ok && x != s.Exchange {
			return false
		}
		pages[s.SentTick] = s.Exchange
	}
	return true
}

func options() cmp.Options {
	return cmp.Options{cmpopts.EquateEmpty(), cmp.AllowUnexported(
		Changes{}, note{}, Absences{}, disappearance{}, completeListing{}, Snapshot{}, openSession{}, memory{}, packed{}, packedID{}, unpacked{},
	)}
}

func check(t *rapid.T, what string, want, got any) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return
	}
	if d := cmp.Diff(want, got, options()); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// TestLaws compares snapshots with the model after arbitrary observations and restarts.
func TestLaws(t *testing.T) { rapid.Check(t, laws) }

// FuzzLaws is TestLaws with the fuzzer's choices: go test -fuzz FuzzLaws.
func FuzzLaws(f *testing.F) { f.Fuzz(rapid.MakeFuzz(laws)) }

func laws(t *rapid.T) {
	w := newWorld()
	m := newModel(drawWatch(t))
	s := NewSnapshot(testWorker, m.watch)
	var log stateLog
	for range rapid.IntRange(1, 12).Draw(t, "observations") {
		if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
			s = restoreSame(t, s, log)
			m.restart()
		}
		o := w.observe(t)
		before := clone(s)
		c := Between(s, o)
		check(t, "Between a second time", c, Between(s, o))
		check(t, "Between of the condensed observation", c, Between(s, condense(t, o, s)))
		next := Apply(s, c)
		check(t, "the old snapshot after Between and Apply", before, s)
		old := len(log)
		log.put(c)
		for n := old + 1; n < len(log); n++ {
			checkTorn(t, log[:n].restore(s.watch), s, next)
		}
		m.observe(t, o, c)
		m.compare(t, next)
		s = next
	}
}

// TestNothingChanges: the same answers to later requests change nothing.
func TestNothingChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := NewSnapshot(testWorker, drawWatch(t))
		var o Observation
		for range rapid.IntRange(1, 4).Draw(t, "observations") {
			o = w.observe(t)
			s = Apply(s, Between(s, o))
		}
		o = w.again(t, o)
		s = Apply(s, Between(s, o)) // now every answer has counted once
		c := Between(s, w.again(t, o))
		check(t, "events", 0, len(c.Events))
		check(t, "records", 0, len(c.Records()))
		check(t, "open", s.Open(), Apply(s, c).Open())
	})
}

// TestPages: the order of pages and repeated entries do not matter.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := NewSnapshot(testWorker, drawWatch(t))
		for range rapid.IntRange(0, 3).Draw(t, "observations") {
			s = Apply(s, Between(s, w.observe(t)))
		}
		o := w.observe(t)
		if !distinctPages(o) {
			t.Skip("two pages with one tick")
		}
		want := Between(s, o)

		shuffled := o
		shuffled.Sightings = shufflePages(t, o.Sightings)
		shuffled.NotFound = slices.Clone(o.NotFound)
		slices.Reverse(shuffled.NotFound)
		check(t, "pages in another order", want, Between(s, shuffled))

		twice := o
		twice.Sightings = nil
		for _, e := range o.Sightings {
			twice.Sightings = append(twice.Sightings, e)
			if rapid.Bool().Draw(t, "twice") {
				twice.Sightings = append(twice.Sightings, e)
			}
		}
		check(t, "entries twice", want, Between(s, twice))
	})
}

// TestCuts: where one page of a listing ends and the next begins only affects times.
func TestCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := NewSnapshot(testWorker, drawWatch(t))
		s = Apply(s, Between(s, w.observe(t)))
		x := Exchange{Sent: w.now, Arrived: w.now, SentTick: w.tick + 1, ArrivedTick: w.tick + 2}
		o := Observation{Worker: testWorker, Source: CompleteListing, FirstRequest: x, Pages: 1}
		for _, id := range w.ids {
			if rapid.Bool().Draw(t, "listed") {
				o.Sightings = append(o.Sightings, Sighting{drawSession(t, id), x})
			}
		}
		cut := o
		cut.Sightings = nil
		for _, e := range o.Sightings {
			if rapid.Bool().Draw(t, "cut") {
				cut.Pages++
				x.SentTick, x.ArrivedTick = x.SentTick+2, x.ArrivedTick+2
			}
			e.Exchange = x
			cut.Sightings = append(cut.Sightings, e)
		}
		a, b := Between(s, o), Between(s, cut)
		check(t, "events", a.Events, b.Events)
		check(t, "remembered", a.Remembered, b.Remembered)
		check(t, "open", Apply(s, a).Open(), Apply(s, b).Open())
	})
}

// shufflePages reorders the pages and leaves the entries of each in their order.
func shufflePages(t *rapid.T, seen []Sighting) []Sighting {
	pages := map[Exchange][]Sighting{}
	var order []Exchange
	for _, s := range seen {
		if pages[s.Exchange] == nil {
			order = append(order, s.Exchange)
		}
		pages[s.Exchange] = append(pages[s.Exchange], s)
	}
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var shuffled []Sighting
	for _, x := range order {
		shuffled = append(shuffled, pages[x]...)
	}
	return shuffled
}

// restoreSame restores the snapshot from the log, once compacted and once not. It checks that everything that decides
// what is published is as in the snapshot before.
func restoreSame(t *rapid.T, s Snapshot, log stateLog) Snapshot {
	t.Helper()
	restored := log.restore(s.watch)
	check(t, "restored from the compacted log", restored, log.compacted().restore(s.watch))
	forgetful := clone(s)
	forgetful.listed, forgetful.absentAt = time.Time{}, time.Time{}
	compared := clone(restored)
	compared.memory.base, compared.memory.marked = time.Time{}, 0
	forgetful.memory.base, forgetful.memory.marked = time.Time{}, 0
	for i := range forgetful.open {
		// The restored seen is that of the last change, which is not later.
		d := &forgetful.open[i].disappearance
		seen := restored.open[i].disappearance.seen
		if seen.IsZero() || seen.After(d.seen) {
			t.Fatalf("restored seen %v, want at most %v", seen, d.seen)
		}
		*d = disappearance{seen: seen, missing: d.missing}
	}
	for place := range forgetful.memory.len() {
		check(t, "restored absence", absentSince(s, place), absentSince(restored, place))
		*forgetful.memory.markAt(place) &= markVanished
		*compared.memory.markAt(place) &= markVanished
	}
	check(t, "restored", forgetful, compared)
	return restored
}

func clone(s Snapshot) Snapshot {
	s.open = slices.Clone(s.open)
	s.memory = *s.memory.clone(0)
	return s
}

// absentSince returns since when a remembered session is absent; zero if it is not.
func absentSince(s Snapshot, place int) time.Time {
	if k := s.memory.mark(place); k.absent() {
		return s.memory.since(k)
	}
	return time.Time{}
}

// checkTorn checks a snapshot that was restored when only a part of the changes of an observation was stored. A session is
// not absent for longer than before or after the observation.
func checkTorn(t *rapid.T, torn, old, next Snapshot) {
	t.Helper()
	for place := range torn.memory.len() {
		since := absentSince(torn, place)
		ok := since.IsZero()
		for _, s := range []Snapshot{old, next} {
			if at, found := s.memory.find(torn.memory.id(place)); found {
				was := absentSince(s, at)
				ok = ok || !was.IsZero() && !since.Before(was)
			}
		}
		if !ok {
			t.Fatalf("%s is absent since %v after a part of the changes", torn.memory.id(place), since)
		}
	}
}
