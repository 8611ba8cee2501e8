package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	product "farmwire/event"
)

// world is a small history that was published rightly; a test makes one thing of it wrong.
type world struct {
	absences     []struct{ key, value string } // records in the shard of worker-whole, after all others
	t            *testing.T
	start        time.Time
	stale        bool
	disturbances []Disturbance // nil: none are given
	truth        []*told
	events       []*published
	ended        []*published // nil: copies of the ended events
	state        []*stored
	offset       int64
	covered      []*covered         // records of .coverage; nil: the topic is not checked
	asked        []*asked           // requests
	logSizes     map[int]uint64     // what .state says of the size of a log, if it is wrong
	skip         map[*published]int // by how much the index of an event is wrong
}

const (
	partitions = 3
	region     = "eu-central-1"
	fleet      = "fleet-1"
)

// told is a true session.
type told struct {
	ID              string
	Worker          string
	StartedAt       time.Time
	States          []toldState
	Forgotten       *time.Time
	IncompleteUntil *time.Time
	Deleted         *time.Time
	Listings        []map[string]any
}

type toldState struct {
	Status string
	Target *string
	Ended  *time.Time
	Shown  time.Time
}

// published is an event before it is printed.
type published struct {
	of                 *told
	Change             string
	Sequence           int
	Inferred, Snapshot bool
	Now                toldState
	Previous           *toldState
	After, Before      *time.Time
	Exact              bool
	Recorded           time.Time
	partition, offset  int64
	headers            map[string]string // replaced ones
	key                string
	value              func(string) string
}

type stored struct {
	of        *told
	Sequence  int
	Now       toldState
	Vanished  bool
	Missing   *time.Time // nil: none
	Seen      time.Time
	partition int64
	tombstone bool
}

// at is a time so many seconds after the start.
func (w *world) at(seconds float64) time.Time {
	return w.start.Add(time.Duration(seconds * float64(time.Second)))
}

func (w *world) maybe(seconds float64) *time.Time {
	t := w.at(seconds)
	return &t
}

// session adds a true session; each state is shown from its second on.
func (w *world) session(name string, states ...toldState) *told {
	s := &told{ID: "session-" + name, Worker: "worker-" + name, StartedAt: states[0].Shown, States: states}
	w.truth = append(w.truth, s)
	return s
}

func (w *world) status(seconds float64, status string) toldState {
	return toldState{Status: status, Shown: w.at(seconds)}
}

func (w *world) targeted(seconds float64, status string) toldState {
	end := "ENDED"
	return toldState{Status: status, Target: &end, Shown: w.at(seconds)}
}

func (w *world) over(seconds float64, before toldState) toldState {
	before.Status, before.Ended, before.Shown = "ENDED", w.maybe(seconds), w.at(seconds)
	return before
}

// publish adds an event, and the state that goes with it.
func (w *world) publish(s *told, change string, now toldState, after, before float64) *published {
	e := w.event(s, change, now, after, before)
	w.state = append(w.state, &stored{of: s, Sequence: e.Sequence, Now: now, Vanished: change == "vanished", Seen: *e.After,
		partition: int64(partitionOf(s.Worker, partitions))})
	return e
}

// event adds an event that is followed by another in the same transaction.
func (w *world) event(s *told, change string, now toldState, after, before float64) *published {
	e := &published{of: s, Change: change, Sequence: 1, Now: now, After: w.maybe(after), Before: w.maybe(before),
		Recorded: w.at(before + 0.01), partition: int64(partitionOf(s.ID, partitions)), key: s.ID}
	for _, o := range slices.Backward(w.events) {
		if o.of == s {
			e.Sequence, e.Previous = o.Sequence+1, &o.Now
			break
		}
	}
	e.Exact = change == "started" || change == "ended" && now.Ended != nil
	e.Snapshot = change == "discovered"
	w.offset += 2
	e.offset = w.offset
	w.events = append(w.events, e)
	return e
}

// newWorld is a history with every kind of change. The watch begins at second 0.
func newWorld(t *testing.T) *world {
	w := &world{t: t, start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	started := func(s float64) toldState { return w.status(s, "STARTED") }

	whole := w.session("whole", started(10), w.status(20, "UPDATE_IN_PROGRESS"), w.status(30, "UPDATE_SUCCEEDED"),
		w.status(40, "UPDATE_IN_PROGRESS"), w.status(50, "UPDATE_FAILED"), w.status(60, "PAUSED"),
		w.targeted(70, "PAUSED"), w.over(80, w.targeted(70, "PAUSED")))
	for i, change := range []string{"started", "updating", "updated", "updating", "updatefailed", "changed", "ending", "ended"} {
		s := whole.States[i]
		shown := s.Shown.Sub(w.start).Seconds()
		w.publish(whole, change, s, shown-5, shown+5)
	}

	late := w.session("late", started(12), w.over(14, started(12)))
	w.event(late, "started", late.States[0], 5, 15).Inferred = true
	w.publish(late, "ended", late.States[1], 5, 15)

	half := w.session("half", started(11), w.targeted(22, "STARTED"), w.targeted(23, "UPDATE_IN_PROGRESS"))
	w.publish(half, "started", half.States[0], 6, 16)
	w.event(half, "updating", w.status(0, "UPDATE_IN_PROGRESS"), 16, 26)
	w.publish(half, "ending", half.States[2], 16, 26)

	open := w.session("open", started(-100), w.over(90, started(-100)))
	w.publish(open, "discovered", open.States[0], -110, 2)
	w.publish(open, "ended", open.States[1], 85, 95)

	gone := w.session("gone", started(13))
	gone.Forgotten, gone.Deleted = w.maybe(33), w.maybe(25)
	w.publish(gone, "started", gone.States[0], 8, 18)
	w.publish(gone, "vanished", gone.States[0], 20, 200)

	w.session("history", started(-100), w.over(-50, started(-100)))
	w.session("still", started(15))
	w.publish(w.truth[len(w.truth)-1], "started", started(15), 10, 17)
	return w
}

// of is the session, and its event of that number.
func (w *world) of(name string, sequence int) *published {
	for _, e := range w.events {
		if e.of.ID == "session-"+name && e.Sequence == sequence {
			return e
		}
	}
	w.t.Fatalf("no event %d of %s", sequence, name)
	return nil
}

func (w *world) session1(name string) *told {
	for _, s := range w.truth {
		if s.ID == "session-"+name {
			return s
		}
	}
	w.t.Fatalf("no session %s", name)
	return nil
}

func (w *world) stored(name string, sequence int) *stored {
	for _, s := range w.state {
		if s.of.ID == "session-"+name && s.Sequence == sequence {
			return s
		}
	}
	w.t.Fatalf("no state %d of %s", sequence, name)
	return nil
}

// drop takes away the events of a session from a number on, with their state and copies.
func (w *world) drop(name string, from int) {
	w.events = slices.DeleteFunc(w.events, func(e *published) bool { return e.of.ID == "session-"+name && e.Sequence >= from })
	w.state = slices.DeleteFunc(w.state, func(s *stored) bool { return s.of.ID == "session-"+name && s.Sequence >= from })
}

// check prints the world and has it checked.
func (w *world) check() *Report {
	w.t.Helper()
	in := Input{Events: w.printEvents(w.events), Ended: w.printEvents(w.copies()), State: w.printState(), Truth: w.printTruth(),
		Region: region, Partitions: partitions, Until: w.at(300)}
	if w.disturbances != nil {
		var b strings.Builder
		for _, h := range w.disturbances {
			fmt.Fprintln(&b, w.text(h))
		}
		in.Disturbances, in.JudgeListings = strings.NewReader(b.String()), w.covered == nil
	}
	if w.covered != nil {
		in.Coverage, in.Requests, in.GapAfter = w.printCoverage(), w.printRequests(), 5*time.Second
		in.Calm, in.Fresh = w.at(180), time.Minute
	}
	report, err := Run(in)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) copies() []*published {
	if w.ended != nil {
		return w.ended
	}
	copies := []*published{}
	for _, e := range w.events {
		if e.Change == "ended" && !e.Snapshot && !slices.ContainsFunc(copies, func(c *published) bool { return c.of == e.of && c.Sequence == e.Sequence }) {
			c := *e
			c.partition = int64(partitionOf(c.key, partitions))
			copies = append(copies, &c)
		}
	}
	return copies
}

func (w *world) printTruth() io.Reader {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	for _, s := range w.truth {
		states := []map[string]any{}
		var end *time.Time
		for _, st := range s.States {
			end = st.Ended
			states = append(states, map[string]any{"lifecycleStatus": st.Status, "targetLifecycleStatus": st.Target, "endedAt": st.Ended,
				"at": st.Shown, "shown": st.Shown})
		}
		out.Encode(map[string]any{"farmId": "farm-1", "fleetId": fleet, "workerId": s.Worker, "queueId": "queue-1", "jobId": "job-1",
			"sessionId": s.ID, "startedAt": s.StartedAt, "endedAt": end, "forgotten": s.Forgotten != nil, "forgottenAt": s.Forgotten,
			"workerDeleted": s.Deleted, "incompleteUntil": s.IncompleteUntil, "states": states,
			"completeListings": len(s.Listings), "listings": s.Listings})
	}
	out.Encode(map[string]any{"farm": map[string]any{"staleReads": w.stale, "start": w.start, "skew": 0}})
	return &b
}

func wire(t *time.Time) any {
	if t == nil {
		return nil
	}
	return t.Format(wireTime)
}

func (s toldState) members() map[string]any {
	return map[string]any{"lifecycleStatus": s.Status, "targetLifecycleStatus": s.Target, "endedAt": wire(s.Ended)}
}

func (s *told) members(now toldState) map[string]any {
	m := now.members()
	for name, value := range map[string]any{"farmId": "farm-1", "fleetId": fleet, "workerId": s.Worker, "queueId": "queue-1",
		"jobId": "job-1", "sessionId": s.ID, "startedAt": wire(&s.StartedAt)} {
		m[name] = value
	}
	return m
}

func (w *world) text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) printEvents(events []*published) io.Reader {
	var b strings.Builder
	for _, e := range events {
		value := w.text(map[string]any{"change": e.Change, "sequence": e.Sequence, "inferred": e.Inferred, "snapshot": e.Snapshot,
			"session": e.of.members(e.Now), "previous": e.previous(),
			"observed": map[string]any{"after": wire(e.After), "before": wire(e.Before), "exact": e.Exact},
			"worker":   map[string]any{"status": "RUNNING", "hostName": nil}})
		if e.value != nil {
			value = e.value(value)
		}
		fmt.Fprintf(&b, "CreateTime:%d\tPartition:%d\tOffset:%d\t%s\t%s\t%s\n", e.Recorded.UnixMilli(), e.partition, e.offset, e.header(w.indexOf(e)), e.key, value)
	}
	return strings.NewReader(b.String())
}

// indexOf is the index of an event, or of that which it is a copy of, in the log of its shard.
func (w *world) indexOf(e *published) int {
	index, found := 0, slices.Index(w.events, e)
	for i, o := range w.events {
		if i == found || found < 0 && o.of == e.of && o.Sequence == e.Sequence {
			return index + w.skip[o]
		}
		if partitionOf(o.of.Worker, partitions) == partitionOf(e.of.Worker, partitions) {
			index++
		}
	}
	return index
}

func (e *published) previous() any {
	if e.Previous == nil {
		return nil
	}
	return e.Previous.members()
}

func (e *published) header(index int) string {
	number := fmt.Sprintf("%06d", e.Sequence)
	at := e.Before
	switch {
	case e.Exact && e.Change == "started":
		at = &e.of.StartedAt
	case e.Exact && e.Change == "ended":
		at = e.Now.Ended
	}
	h := [][2]string{{"ce_specversion", "1.0"}, {"ce_id", e.of.ID + "." + number},
		{"ce_source", "/deadline/" + region + "/farm-1/" + fleet + "/" + e.of.Worker},
		{"ce_type", "farmwire.session." + e.Change + ".v1"}, {"ce_subject", e.of.ID}, {"ce_time", at.Format(wireTime)},
		{"ce_sequence", number}, {"ce_partitionkey", e.of.ID}, {"ce_recordedtime", e.Recorded.Format(wireTime)},
		{"ce_shard", fmt.Sprint(partitionOf(e.of.Worker, partitions))}, {"ce_logindex", fmt.Sprint(index)},
		{"ce_dataschema", "urn:farmwire:session:v1"}, {"content-type", "application/json"}}
	var parts []string
	for _, p := range h {
		if replaced, ok := e.headers[p[0]]; ok {
			p[1] = replaced
		}
		parts = append(parts, p[0]+":"+p[1])
	}
	return strings.Join(parts, headerSeparator)
}

func (w *world) printState() io.Reader {
	var b strings.Builder
	offset := 0
	line := func(partition int64, key, value string) {
		offset++
		fmt.Fprintf(&b, "CreateTime:%d\tPartition:%d\tOffset:%d\tNO_HEADERS\t%s\t%s\n", w.at(400).UnixMilli(), partition, offset, key, value)
	}
	for shard := range partitions {
		line(int64(shard), "watch", w.text(map[string]any{"schema": 1, "region": region, "partitions": partitions, "initial": "open",
			"farms": map[string]any{"farm-1": map[string]any{"listed": wire(&w.start)}}, "fleets": map[string]any{fleet: map[string]any{"since": wire(&w.start)}}}))
	}
	for _, s := range w.state {
		value := map[string]any{"schema": 1, "sequence": s.Sequence, "session": s.of.members(s.Now), "seen": wire(&s.Seen)}
		if s.Vanished {
			value["vanished"] = true
		}
		if s.Missing != nil {
			value["missing"] = wire(s.Missing)
		}
		text := w.text(value)
		if s.tombstone {
			text = "null"
		}
		line(s.partition, s.of.ID, text)
	}
	for shard := range partitions {
		chain := w.chainOf(shard, w.logSizes[shard])
		line(int64(shard), "log", w.text(map[string]any{"schema": 1, "size": chain.Size, "head": chain.HeadText()}))
		if w.covered != nil {
			_, log := w.printShard(shard)
			line(int64(shard), "coverage", string(product.AppendCoverageState(nil, product.CoverageState{Shard: shard, Log: log})))
		}
	}
	for _, a := range w.absences {
		line(int64(partitionOf("worker-whole", partitions)), a.key, a.value)
	}
	return strings.NewReader(b.String())
}

// absent adds a record of absences of a worker.
func (w *world) absent(worker, sessions string) {
	w.absences = append(w.absences, struct{ key, value string }{
		"absent.farm-1/" + fleet + "/" + worker,
		`{"schema":1,"marks":[{"since":"2026-03-01T12:05:00.000Z","sessions":` + sessions + `}]}`,
	})
}
