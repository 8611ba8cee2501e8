package check

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

func jsonUnmarshal(text string, to any) error { return json.Unmarshal([]byte(text), to) }

// kind is one of the three kinds of looks.
type kind int

const (
	changes kind = iota
	announced
	starts
	kinds
)

func (k kind) String() string { return [kinds]string{"changes", "announced", "starts"}[k] }

// scope is everything of a shard, a farm, a fleet or a worker.
type scope struct{ farm, fleet, worker string }

// covers reports whether another scope is part of this one, or the same.
func (s scope) covers(o scope) bool {
	return (s.farm == "" || s.farm == o.farm) && (s.fleet == "" || s.fleet == o.fleet) && (s.worker == "" || s.worker == o.worker)
}

func (s scope) depth() int {
	switch {
	case s.worker != "":
		return 3
	case s.fleet != "":
		return 2
	case s.farm != "":
		return 1
	}
	return 0
}

func (s scope) String() string {
	if s == (scope{}) {
		return "everything"
	}
	return strings.TrimRight(s.farm+"/"+s.fleet+"/"+s.worker, "/")
}

// heartbeat is a heartbeat of a shard. All times in coverage records are by the service's clock, except recorded.
type heartbeat struct {
	shard     int
	number    uint64
	at        instant
	recorded  instant // by our clock: when it was handed to Kafka
	watermark [kinds]instant
	behind    []behind
	size      uint64 // of the log
}

func (h *heartbeat) String() string {
	return fmt.Sprintf("heartbeat coverage.%d.%d of %s", h.shard, h.number, h.at)
}

type behind struct {
	scope
	affects   [kinds]bool
	watermark [kinds]instant
}

// of returns the watermark that applies to a scope: that of the most specific entries of behind which cover it, or that of the
// heartbeat.
func (h *heartbeat) of(k kind, s scope) instant {
	at, depth := h.watermark[k], -1
	for _, b := range h.behind {
		if !b.affects[k] || !b.covers(s) || b.depth() < depth {
			continue
		}
		if b.depth() > depth || b.watermark[k] < at {
			at, depth = b.watermark[k], b.depth()
		}
	}
	return at
}

// gap is a gap of a shard, as its records say.
type gap struct {
	shard  int
	number uint64
	reason string
	scope
	affects        [kinds]bool
	from, to       instant // to is 0 as long as it is open
	opened, closed int     // how many records say so
	workers        map[string]period
}

type period struct{ from, to instant }

func (p period) String() string { return fmt.Sprintf("from %s to %s", p.from, p.to) }

func (g *gap) String() string {
	return fmt.Sprintf("gap %d.%d (%s, %s) from %s to %s", g.shard, g.number, g.reason, g.scope, g.from, g.to)
}

// shardCoverage is what the coverage topic says of a shard.
type shardCoverage struct {
	*chain
	heartbeats []*heartbeat
	gaps       []*gap // by number
}

func (c *checker) coverageOf(shard int) *shardCoverage {
	s := c.coverage[shard]
	if s == nil {
		s = &shardCoverage{chain: newChain()}
		c.coverage[shard] = s
	}
	return s
}

type wireScope struct {
	FarmID   field[string] `json:"farmId"`
	FleetID  field[string] `json:"fleetId"`
	WorkerID field[string] `json:"workerId"`
}

type wireWatermark struct {
	Changes   field[string] `json:"changes"`
	Announced field[string] `json:"announced"`
	Starts    field[string] `json:"starts"`
}

type wireHeartbeat struct {
	Shard     field[int]           `json:"shard"`
	Instance  field[string]        `json:"instance"`
	Watermark field[wireWatermark] `json:"watermark"`
	Behind    field[[]struct {
		Gap       field[string]        `json:"gap"`
		Scope     field[wireScope]     `json:"scope"`
		Affects   field[[]string]      `json:"affects"`
		Watermark field[wireWatermark] `json:"watermark"`
	}] `json:"behind"`
	Fleets       field[int]       `json:"fleets"`
	Workers      field[int]       `json:"workers"`
	OpenSessions field[int]       `json:"openSessions"`
	Log          field[wireChain] `json:"log"`
	CoverageLog  field[wireChain] `json:"coverageLog"`
	Checkpoint   field[string]    `json:"checkpoint"`
}

type wireGap struct {
	Gap     field[string]    `json:"gap"`
	State   field[string]    `json:"state"`
	Reason  field[string]    `json:"reason"`
	Affects field[[]string]  `json:"affects"`
	Scope   field[wireScope] `json:"scope"`
	From    field[string]    `json:"from"`
	To      field[string]    `json:"to"`
	Message field[string]    `json:"message"`
	Workers map[string]struct {
		From field[string] `json:"from"`
		To   field[string] `json:"to"`
	} `json:"workers"`
}

func (r *reading) scope(w wireScope) (s scope) {
	s.farm, _ = nullable(r, "farmId", w.FarmID)
	s.fleet, _ = nullable(r, "fleetId", w.FleetID)
	s.worker, _ = nullable(r, "workerId", w.WorkerID)
	return scope{r.texts.text(s.farm), r.texts.text(s.fleet), r.texts.text(s.worker)}
}

func (r *reading) watermark(w wireWatermark) [kinds]instant {
	return [kinds]instant{r.optionalTime("changes", w.Changes), r.optionalTime("announced", w.Announced), r.optionalTime("starts", w.Starts)}
}

func (r *reading) affects(names []string) (all [kinds]bool) {
	for _, name := range names {
		known := false
		for k := range kinds {
			if name == k.String() {
				all[k], known = true, true
			}
		}
		if !known {
			r.fail("affects %q", name)
		}
	}
	return all
}

// readCoverage takes a record of .coverage.
func (c *checker) readCoverage(r record) {
	c.report.Counts.Coverage++
	s := c.coverageOf(r.partition)
	number := s.size() + 1
	headers, once := headerMap(r.headers)
	what := fmt.Sprintf("coverage.%d.%d", r.partition, number)
	key := strconv.Itoa(r.partition)
	in := reading{texts: c.texts}
	if !once || r.key != key || r.null {
		in.fail("the key is %s", r.key)
	}
	if got := headers["ce_id"]; got != what {
		c.anomaly(CoverageNumber, r.key, fmt.Sprintf("%s at offset %d", got, r.offset), what+" comes next")
	}
	for name, value := range map[string]string{
		"ce_specversion": "1.0", "ce_source": "/farmwire/" + c.in.Region + "/deadline.sessions.state", "ce_subject": key, "ce_partitionkey": key,
		"ce_dataschema": "urn:farmwire:coverage:v1", "content-type": "application/json", "ce_recordedtime": instant(r.timestamp * 1e6).wire(),
	} {
		if headers[name] != value {
			in.fail("%s is %q, not %q", name, headers[name], value)
		}
	}
	at := in.time("ce_time", headers["ce_time"])
	switch headers["ce_type"] {
	case "farmwire.coverage.heartbeat.v1":
		c.readHeartbeat(&in, r, number, at)
	case "farmwire.coverage.gap.v1":
		c.readGap(&in, r)
	case "farmwire.coverage.watch.v1":
		c.report.Counts.WatchRecords++
	default:
		in.fail("ce_type is %q", headers["ce_type"])
	}
	if in.wrong != nil {
		c.anomaly(BadCoverage, what, r.value, in.wrong.Error())
	}
	s.add(hashOf(r))
}

func (c *checker) readHeartbeat(in *reading, r record, number uint64, at instant) {
	c.report.Counts.Heartbeats++
	var w wireHeartbeat
	if err := strict(r.value, &w); err != nil {
		in.fail("%v", err)
		return
	}
	s := c.coverageOf(r.partition)
	h := &heartbeat{shard: take(in, "shard", w.Shard), number: number, at: at, recorded: instant(r.timestamp * 1e6),
		watermark: in.watermark(take(in, "watermark", w.Watermark))}
	take(in, "instance", w.Instance)
	take(in, "fleets", w.Fleets)
	take(in, "workers", w.Workers)
	take(in, "openSessions", w.OpenSessions)
	nullable(in, "checkpoint", w.Checkpoint)
	for _, b := range take(in, "behind", w.Behind) {
		take(in, "gap", b.Gap)
		h.behind = append(h.behind, behind{scope: in.scope(take(in, "scope", b.Scope)), affects: in.affects(take(in, "affects", b.Affects)),
			watermark: in.watermark(take(in, "watermark", b.Watermark))})
	}
	log, own := take(in, "log", w.Log), take(in, "coverageLog", w.CoverageLog)
	h.size = take(in, "size", log.Size)
	if h.shard != r.partition {
		in.fail("shard %d in partition %d", h.shard, r.partition)
		return
	}
	c.checkLogHead(h.String()+", log", h.shard, h.size, take(in, "head", log.Head))
	c.checkHead(h.String()+", coverageLog", s.chain, take(in, "size", own.Size), take(in, "head", own.Head))
	if size := take(in, "size", own.Size); size != s.size() {
		c.anomaly(LogHead, h.String(), fmt.Sprintf("coverageLog of size %d", size), fmt.Sprintf("%d records come before", s.size()))
	}
	s.heartbeats = append(s.heartbeats, h)
}

// onlyClosed are the reasons of gaps of which only the end is published.
func onlyClosed(reason string) bool { return reason == "kafka" || reason == "deleted" }

// readGap takes a record of a gap.
func (c *checker) readGap(in *reading, r record) {
	var w wireGap
	if err := strict(r.value, &w); err != nil {
		in.fail("%v", err)
		return
	}
	s := c.coverageOf(r.partition)
	name := take(in, "gap", w.Gap)
	text, ok := strings.CutPrefix(name, strconv.Itoa(r.partition)+".")
	number, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil {
		in.fail("the gap is named %q", name)
		return
	}
	state := take(in, "state", w.State)
	take(in, "message", w.Message)
	g := &gap{shard: r.partition, number: number, reason: in.texts.text(take(in, "reason", w.Reason)), affects: in.affects(take(in, "affects", w.Affects)),
		scope: in.scope(take(in, "scope", w.Scope)), from: in.optionalTime("from", w.From), to: in.optionalTime("to", w.To)}
	if len(w.Workers) > 0 {
		g.workers = map[string]period{}
		for id, p := range w.Workers {
			g.workers[id] = period{in.optionalTime("from", p.From), in.optionalTime("to", p.To)}
		}
	}
	switch {
	case state != "opened" && state != "closed":
		in.fail("the state is %q", state)
	case state == "opened" && g.to != 0, state == "closed" && g.to == 0, g.to != 0 && g.to < g.from:
		in.fail("%s from %s to %s", state, g.from, g.to)
	case state == "opened" && onlyClosed(g.reason):
		in.fail("a gap with the reason %s is only published when it is over", g.reason)
	}
	c.takeGap(s, g, state)
}

// takeGap notes that a gap was opened or closed: each in this order, each once, and the numbers without holes.
func (c *checker) takeGap(s *shardCoverage, g *gap, state string) {
	if next := uint64(len(s.gaps)) + 1; g.number >= next {
		if g.number > next {
			c.anomaly(BadGap, g.String(), state, fmt.Sprintf("gap %d comes next", next))
		}
		if state == "closed" && !onlyClosed(g.reason) {
			c.anomaly(BadGap, g.String(), "closed", "it was not opened")
		}
		c.report.Counts.addGap(g.reason)
		for uint64(len(s.gaps)) < min(g.number-1, next+1000) {
			s.gaps = append(s.gaps, &gap{shard: g.shard, number: uint64(len(s.gaps)) + 1, opened: 1, closed: 1})
		}
		s.gaps = append(s.gaps, g)
	}
	known := s.gaps[min(g.number, uint64(len(s.gaps)))-1]
	if state == "opened" {
		if known.opened++; known.opened > 1 || known.closed > 0 {
			c.anomaly(BadGap, known.String(), "opened", "each gap is opened once, before it is closed")
		}
		return
	}
	if known.closed++; known.closed > 1 {
		c.anomaly(BadGap, known.String(), "closed twice", "each gap is closed once")
	}
	if known.reason != g.reason || known.scope != g.scope || known.affects != g.affects || known.from != g.from {
		c.anomaly(BadGap, known.String(), "closed as "+g.String(), "a gap keeps its reason, its scope and its beginning")
	}
	known.to = g.to
}
