package check

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestRightHistory(t *testing.T) {
	w := newWorld(t)
	w.absent("worker-whole", `["session-whole"]`)
	w.absent("worker-whole", `null`)
	w.absences = append(w.absences, struct{ key, value string }{w.absences[0].key, "null"})
	report := w.check()
	if report.Total() != 0 {
		t.Fatalf("anomalies in a right history:\n%s", printed(report))
	}
	c := report.Counts
	if c.StartsDue != 6 || c.StartsFound != 6 || c.EndsDue != 3 || c.EndsFound != 3 || c.EndedBeforeWatch != 1 || c.Vanished != 1 {
		t.Errorf("starts %d of %d, ends %d of %d, history %d, vanished %d", c.StartsFound, c.StartsDue, c.EndsFound, c.EndsDue, c.EndedBeforeWatch, c.Vanished)
	}
	if c.Events != 18 || c.States != 18 || c.EndedCopies != 3 || c.Folds != 6 || c.Watches != partitions {
		t.Errorf("%+v", c)
	}
}

// The records that say that a session's queue, fleet or farm is missing, and that it is not any more, have no event.
func TestMissingIsStored(t *testing.T) {
	w := newWorld(t)
	missing := *w.stored("still", 1)
	missing.Missing = w.maybe(300)
	found := missing
	found.Missing = nil
	w.state = append(w.state, &missing, &found)
	if report := w.check(); report.Total() != 0 {
		t.Fatalf("anomalies in a right history:\n%s", printed(report))
	}
}

func printed(r *Report) string {
	var b strings.Builder
	r.Print(&b, 10)
	return b.String()
}

// Each of these makes one thing wrong, and exactly its kind is found.
func TestAnomalies(t *testing.T) {
	for _, test := range []struct {
		name string
		kind Kind
		make func(w *world)
	}{
		{"no event of a session", LostStart, func(w *world) { w.drop("whole", 1) }},
		{"the last session is missing", LostStart, func(w *world) { w.drop("still", 1) }},
		{"no end", LostEnd, func(w *world) { w.drop("whole", 8) }},
		{"no end of a discovered one", LostEnd, func(w *world) { w.drop("open", 2) }},
		{"a record twice", DuplicateID, func(w *world) { w.again("whole", 3) }},
		{"the same change observed again", DuplicateID, func(w *world) { e := w.again("whole", 8); e.Before, e.Recorded = w.maybe(120), w.at(121) }},
		{"an event is missing", Hole, func(w *world) { w.remove("whole", 4) }},
		{"the first event is missing", Hole, func(w *world) { w.remove("whole", 1) }},
		{"two events change places", WrongOrder, func(w *world) { w.swap("whole", 2, 3) }},
		{"a state that was over", WrongOrder, func(w *world) { w.show("whole", 5, "updated", w.status(0, "UPDATE_SUCCEEDED")) }},
		{"a status that never was", InventedState, func(w *world) { w.show("whole", 5, "changed", w.status(0, "SLEEPING")) }},
		{"a session that never was", InventedState, func(w *world) { w.truth = w.truth[:len(w.truth)-1] }},
		{"another end", InventedState, func(w *world) { w.show("open", 2, "ended", w.over(91, w.status(0, "STARTED"))) }},
		{"no change", InventedState, func(w *world) { w.publish(w.session1("still"), "changed", w.status(0, "STARTED"), 30, 40) }},
		{"half a state that never was", InventedState, func(w *world) {
			w.show("half", 2, "updated", w.status(0, "UPDATE_SUCCEEDED"))
			w.show("half", 3, "ending", w.targeted(0, "UPDATE_SUCCEEDED"))
		}},
		{"not yet at a time when it was", FalseBound, func(w *world) { w.of("whole", 3).After = w.maybe(31) }},
		{"a start too late", FalseBound, func(w *world) { w.of("whole", 1).After = w.maybe(11) }},
		{"seen before it was", FalseBound, func(w *world) { w.of("whole", 3).Before = w.maybe(29) }},
		{"seen to end before it did", FalseBound, func(w *world) { w.of("open", 2).Before = w.maybe(89) }},
		{"the old state was long gone", FalseBound, func(w *world) {
			w.of("whole", 2).Now = w.status(0, "UPDATE_IN_PROGRESS")
			w.compress("whole", 2, 42)
		}},
		{"an inferred start too late", FalseBound, func(w *world) { w.of("late", 1).After, w.of("late", 2).After = w.maybe(12.5), w.maybe(12.5) }},
		{"half a state too late", FalseBound, func(w *world) {
			w.of("half", 2).After, w.of("half", 3).After = w.maybe(22.5), w.maybe(22.5)
			w.session1("half").States[2].Shown = w.at(22.4)
		}},
		{"vanished before it was forgotten", FalseBound, func(w *world) { w.of("gone", 2).After = w.maybe(34) }},
		{"an event without state", TornTransaction, func(w *world) { w.unstore("whole", 8) }},
		{"a first event without state", TornTransaction, func(w *world) { w.unstore("still", 1) }},
		{"a state without event", TornTransaction, func(w *world) {
			w.state = append(w.state, &stored{of: w.session1("still"), Sequence: 2, Now: w.over(200, w.status(0, "STARTED")), Seen: w.at(201),
				partition: int64(partitionOf("worker-still", partitions))})
		}},
		{"two stories under one id", AbortedRead, func(w *world) { e := w.again("whole", 3); e.Change, e.Now = "changed", w.status(0, "PAUSED") }},
		{"vanished, and still known", FalseVanished, func(w *world) { w.session1("gone").Forgotten = nil }},
		{"vanished too early", FalseVanished, func(w *world) { w.session1("gone").Forgotten = w.maybe(201) }},
		{"an event after the end", Resurrection, func(w *world) { w.publish(w.session1("late"), "changed", w.status(12, "STARTED"), 20, 25) }},
		{"an event after vanished", Resurrection, func(w *world) { w.publish(w.session1("gone"), "changed", w.status(13, "PAUSED"), 210, 220) }},
		{"a state after a tombstone", Resurrection, func(w *world) {
			w.session1("gone").Forgotten = w.maybe(33)
			last := *w.stored("gone", 2)
			grave := last
			grave.tombstone = true
			w.state = append(w.state, &grave, &last)
		}},
		{"an event elsewhere", WrongPartition, func(w *world) { e := w.of("still", 1); e.partition = (e.partition + 1) % partitions }},
		{"a state elsewhere", WrongPartition, func(w *world) { s := w.stored("still", 1); s.partition = (s.partition + 1) % partitions }},
		{"a copy elsewhere", WrongPartition, func(w *world) { w.ended = w.copies(); e := w.ended[0]; e.partition = (e.partition + 1) % partitions }},
		{"a copy is missing", EndedDiffers, func(w *world) { w.ended = w.copies()[1:] }},
		{"a copy too many", EndedDiffers, func(w *world) { w.ended = w.copies(); c := *w.ended[0]; c.offset = 900; w.ended = append(w.ended, &c) }},
		{"a copy of a start", EndedDiffers, func(w *world) { w.ended = append(w.copies(), w.of("still", 1)) }},
		{"a copy with another value", EndedDiffers, func(w *world) { w.ended = w.copies(); w.ended[0].Before = w.maybe(99) }},
		{"a copy with another header", EndedDiffers, func(w *world) { w.ended = w.copies(); w.ended[0].headers = map[string]string{"ce_type": "x"} }},
		{"another ce_id", BadEnvelope, func(w *world) { w.of("still", 1).headers = map[string]string{"ce_id": "session-still.1"} }},
		{"another ce_time", BadEnvelope, func(w *world) { w.of("half", 2).headers = map[string]string{"ce_time": wire(w.maybe(1)).(string)} }},
		{"a time with seconds", BadEnvelope, func(w *world) {
			w.of("still", 1).value = replace(wire(w.of("still", 1).Before).(string), "2026-03-01T12:00:17Z")
		}},
		{"after later than before", BadEnvelope, func(w *world) { w.truth[0].IncompleteUntil = w.maybe(99); w.of("whole", 3).After = w.maybe(36) }},
		{"exact without a time", BadEnvelope, func(w *world) { w.of("whole", 3).Exact = true }},
		{"a missing member", BadEnvelope, func(w *world) { w.state = w.state[:0]; w.events = w.events[:0]; w.truth = w.truth[:0]; w.lone() }},
		{"recorded before it was observed", BadEnvelope, func(w *world) { w.of("still", 1).Recorded = w.at(16) }},
		{"previous of another", WrongPrevious, func(w *world) { s := w.status(0, "PAUSED"); w.of("whole", 3).Previous = &s }},
		{"previous at first sight", WrongPrevious, func(w *world) { s := w.status(0, "PAUSED"); w.of("whole", 1).Previous = &s }},
		{"no previous", WrongPrevious, func(w *world) { w.of("whole", 3).Previous = nil }},
		{"the state is another than the event's", FoldMismatch, func(w *world) { w.stored("whole", 8).Now = w.status(0, "STARTED") }},
		{"the state goes back", FoldMismatch, func(w *world) { w.state = append(w.state, w.stored("whole", 7)) }},
		{"missing twice", FoldMismatch, func(w *world) {
			s := *w.stored("still", 1)
			s.Missing = w.maybe(300)
			w.state = append(w.state, &s, &s)
		}},
		{"missing after the end", BadEnvelope, func(w *world) { s := *w.stored("whole", 8); s.Missing = w.maybe(300); w.state = append(w.state, &s) }},
		{"vanished is not stored", FoldMismatch, func(w *world) { w.stored("gone", 2).Vanished = false }},
		{"absent in another shard", WrongPartition, func(w *world) { w.absent("elsewhere", `null`) }},
		{"absent without being there", BadEnvelope, func(w *world) { w.absent("worker-whole", `["session-never"]`) }},
		{"absent from another worker", BadEnvelope, func(w *world) { w.absent("worker-whole", `["session-late"]`) }},
		{"absent without since", BadEnvelope, func(w *world) {
			w.absent("worker-whole", `null`)
			w.absences[0].value = `{"schema":1,"marks":[{"sessions":null}]}`
		}},
		{"only remembered", FoldMismatch, func(w *world) { s := *w.stored("open", 1); s.Sequence = 0; w.state = append([]*stored{&s}, w.state...) }},
		{"not inferred", BadFlag, func(w *world) { w.of("late", 1).Inferred = false }},
		{"inferred and seen", BadFlag, func(w *world) { w.of("still", 1).Inferred = true }},
		{"an inferred update", BadFlag, func(w *world) { w.of("whole", 2).Inferred = true }},
		{"news as a snapshot", BadFlag, func(w *world) { w.of("still", 1).Snapshot = true }},
		{"a discovery as news", BadFlag, func(w *world) { w.of("open", 1).Snapshot = false }},
		{"an end as a snapshot", BadFlag, func(w *world) { w.of("late", 2).Snapshot = true }},
		{"another name", WrongChange, func(w *world) { w.of("whole", 3).Change = "updatefailed" }},
		{"news discovered", WrongChange, func(w *world) { e := w.of("still", 1); e.Change, e.Exact, e.Snapshot = "discovered", false, true }},
		{"history published", WrongChange, func(w *world) {
			w.event(w.session1("history"), "discovered", w.status(0, "STARTED"), -60, 5).Inferred = true
			w.publish(w.session1("history"), "ended", w.session1("history").States[1], -60, 5).Snapshot = true
		}},
		{"forgotten too early", FalseTombstone, func(w *world) { s := *w.stored("open", 2); s.tombstone = true; w.state = append(w.state, &s) }},
		{"an open session forgotten", FalseTombstone, func(w *world) { s := *w.stored("still", 1); s.tombstone = true; w.state = append(w.state, &s) }},
	} {
		t.Run(string(test.kind)+"/"+test.name, func(t *testing.T) {
			w := newWorld(t)
			test.make(w)
			report := w.check()
			if found := slices.Collect(maps.Keys(report.Found)); len(found) != 1 || found[0] != test.kind {
				t.Errorf("found %v, want %s\n%s", found, test.kind, printed(report))
			}
		})
	}
}

// Every kind has a test above, or here.
func TestBadWatch(t *testing.T) {
	w := newWorld(t)
	state := w.printState()
	report, err := Run(Input{Events: w.printEvents(w.events), Ended: w.printEvents(w.copies()), State: state, Truth: w.printTruth(),
		Region: "us-east-1", Partitions: partitions, Until: w.at(300)})
	if err != nil {
		t.Fatal(err)
	}
	if report.Found[BadWatch] != partitions || report.Found[BadEnvelope] != len(w.events) {
		t.Error(printed(report))
	}
}

func TestStaleReadsExcuseStatuses(t *testing.T) {
	w := newWorld(t)
	w.stale = true
	w.show("whole", 5, "updated", w.status(0, "UPDATE_SUCCEEDED")) // seen again, by a stale read
	w.of("whole", 3).After = w.maybe(31)
	if r := w.check(); r.Total() != 0 {
		t.Error(printed(r))
	}
	w.show("open", 2, "ended", w.over(91, w.status(0, "STARTED")))
	if r := w.check(); r.Found[InventedState] != 1 || r.Total() != 1 {
		t.Error(printed(r))
	}
}

func TestIncompleteAnswersExcuseTheLowerBound(t *testing.T) {
	w := newWorld(t)
	w.session1("whole").IncompleteUntil = w.maybe(31.5)
	w.of("whole", 3).After = w.maybe(31)
	if r := w.check(); r.Total() != 0 {
		t.Error(printed(r))
	}
}

func TestWhatCannotBeKnownIsNotDemanded(t *testing.T) {
	w := newWorld(t)
	brief := w.session("brief", w.status(100, "STARTED"))
	brief.Deleted = w.maybe(130)
	forgotten := w.session1("open")
	forgotten.Forgotten = w.maybe(110)
	w.drop("open", 2)
	w.session("after", w.status(301, "STARTED")) // after Until
	report := w.check()
	if report.Total() != 0 || report.Counts.Unseen != 3 {
		t.Errorf("unseen %d\n%s", report.Counts.Unseen, printed(report))
	}
}

func TestBrokenRecords(t *testing.T) {
	for _, text := range []string{"x\n", "CreateTime:1\tPartition:0\tOffset:5\tNO_HEADERS\twatch\t{}\nCreateTime:1\tPartition:0\tOffset:5\tNO_HEADERS\twatch\t{}\n"} {
		w := newWorld(t)
		_, err := Run(Input{Events: strings.NewReader(text), Ended: w.printEvents(nil), State: w.printState(), Truth: w.printTruth(), Partitions: 3})
		if err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}

// Vectors by Java's default partitioner (org.apache.kafka.clients.producer.internals.BuiltInPartitioner).
func TestMurmur2(t *testing.T) {
	for text, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
		if got := int32(murmur2([]byte(text))); got != want {
			t.Errorf("murmur2(%s) = %d, want %d", text, got, want)
		}
	}
}

// again publishes an event a second time.
func (w *world) again(name string, sequence int) *published {
	e := *w.of(name, sequence)
	e.offset = 500
	w.events = append(w.events, &e)
	return &e
}

func (w *world) remove(name string, sequence int) {
	e := w.of(name, sequence)
	w.events = slices.DeleteFunc(w.events, func(o *published) bool { return o == e })
}

// swap lets two events change their places in the log.
func (w *world) swap(name string, a, b int) {
	x, y := w.of(name, a), w.of(name, b)
	i, j := slices.Index(w.events, x), slices.Index(w.events, y)
	w.events[i], w.events[j] = y, x
	x.offset, y.offset = y.offset, x.offset
}

// show lets an event, its state and what follows tell of another state.
func (w *world) show(name string, sequence int, change string, now toldState) {
	e := w.of(name, sequence)
	e.Change, e.Now = change, now
	for _, s := range w.state {
		if s.of == e.of && s.Sequence == sequence {
			s.Now = now
		}
	}
	for _, o := range w.events {
		if o.of == e.of && o.Sequence == sequence+1 {
			o.Previous = &e.Now
			if o.Now.Status == now.Status {
				o.Change = "ending"
			}
		}
	}
}

// compress takes the events after a number away, as if the session had last been seen then, and the next
// one seen much later.
func (w *world) compress(name string, sequence int, after float64) {
	w.drop(name, sequence+1)
	s := w.session1(name)
	w.publish(s, "updatefailed", s.States[4], after, 55)
	w.publish(s, "ended", s.States[7], 75, 85)
}

func (w *world) unstore(name string, sequence int) {
	s := w.stored(name, sequence)
	w.state = slices.DeleteFunc(w.state, func(o *stored) bool { return o == s })
}

func replace(old, new string) func(string) string {
	return func(text string) string { return strings.Replace(text, old, new, 1) }
}

// lone is a world with one session whose event lacks a member.
func (w *world) lone() {
	s := w.session("lone", w.status(301, "STARTED"))
	w.event(s, "started", s.States[0], 5, 303).value = func(string) string { return `{"change":"started"}` }
}
