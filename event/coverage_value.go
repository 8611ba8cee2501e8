package event

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

// watermarkFields are a coverage.Watermark in JSON.
type watermarkFields struct {
	Changes   instant `json:"changes"`
	Announced instant `json:"announced"`
	Starts    instant `json:"starts"`
}

func watermarkOf(w coverage.Watermark) watermarkFields {
	return watermarkFields{instant(w.Changes), instant(w.Announced), instant(w.Starts)}
}

func (f watermarkFields) watermark() coverage.Watermark {
	return coverage.Watermark{Changes: time.Time(f.Changes), Announced: time.Time(f.Announced), Starts: time.Time(f.Starts)}
}

// scopeFields are a coverage.Scope in JSON. An empty id is null.
type scopeFields struct {
	FarmID   optional `json:"farmId"`
	FleetID  optional `json:"fleetId"`
	WorkerID optional `json:"workerId"`
}

func scopeOf(s coverage.Scope) scopeFields {
	return scopeFields{optional(s.FarmID), optional(s.FleetID), optional(s.WorkerID)}
}

func (f scopeFields) scope() coverage.Scope {
	return diff.WorkerKey{FarmID: string(f.FarmID), FleetID: string(f.FleetID), WorkerID: string(f.WorkerID)}
}

// optional is a text that is null in JSON if it is empty.
type optional string

// MarshalJSON gives null or a JSON string.
func (o optional) MarshalJSON() ([]byte, error) { return appendOptional(nil, "", string(o)), nil }

// MarshalJSON gives null or a JSON string in UTC with milliseconds.
func (i instant) MarshalJSON() ([]byte, error) { return appendInstant(nil, "", time.Time(i)), nil }

// behindFields are a coverage.Behind in JSON.
type behindFields struct {
	Gap       string          `json:"gap"`
	Scope     scopeFields     `json:"scope"`
	Affects   []string        `json:"affects"`
	Watermark watermarkFields `json:"watermark"`
}

func behindOf(all []coverage.Behind, shard int) []behindFields {
	fields := make([]behindFields, len(all))
	for i, b := range all {
		fields[i] = behindFields{gapName(shard, b.Gap), scopeOf(b.Scope), affectsOf(b.Affects), watermarkOf(b.Watermark)}
	}
	return fields
}

func behindFrom(fields []behindFields, shard int) (all []coverage.Behind, err error) {
	for _, f := range fields {
		b := coverage.Behind{Scope: f.Scope.scope(), Watermark: f.Watermark.watermark()}
		if b.Gap, err = decodeGapName(f.Gap, shard); err != nil {
			return nil, err
		}
		if b.Affects, err = affectsFrom(f.Affects); err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// gapName returns the name of a gap: <shard>.<number>.
func gapName(shard int, number uint64) string {
	return strconv.Itoa(shard) + "." + strconv.FormatUint(number, 10)
}

func decodeGapName(name string, shard int) (uint64, error) {
	_, number, _ := strings.Cut(name, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || gapName(shard, n) != name {
		return 0, malformed("a gap is named %.80q and should be %d.<number>", name, shard)
	}
	return n, nil
}

// The kinds of looks, as the records name them.
const (
	changesKind   = "changes"
	announcedKind = "announced"
	startsKind    = "starts"
)

func affectsOf(a coverage.Affects) []string {
	names := []string{}
	for _, of := range [...]struct {
		is   bool
		name string
	}{{a.Changes, changesKind}, {a.Announced, announcedKind}, {a.Starts, startsKind}} {
		if of.is {
			names = append(names, of.name)
		}
	}
	return names
}

func affectsFrom(names []string) (coverage.Affects, error) {
	for _, name := range names {
		if name != changesKind && name != announcedKind && name != startsKind {
			return coverage.Affects{}, malformed("a gap affects %.80q", name)
		}
	}
	has := func(name string) bool { return slices.Contains(names, name) }
	return coverage.Affects{Changes: has(changesKind), Announced: has(announcedKind), Starts: has(startsKind)}, nil
}

// heartbeatFields are the value of a heartbeat.
type heartbeatFields struct {
	Shard        int             `json:"shard"`
	Instance     string          `json:"instance"`
	Watermark    watermarkFields `json:"watermark"`
	Behind       []behindFields  `json:"behind"`
	Fleets       int             `json:"fleets"`
	Workers      int             `json:"workers"`
	OpenSessions int             `json:"openSessions"`
	Log          chainFields     `json:"log"`
	CoverageLog  chainFields     `json:"coverageLog"`
	Checkpoint   optional        `json:"checkpoint"`
}

func chainOf(c Chain) chainFields {
	head := c.HeadText()
	return chainFields{&c.Size, &head}
}

func heartbeatOf(h *coverage.Heartbeat, env CoverageEnvelope) heartbeatFields {
	return heartbeatFields{
		Shard: env.Shard, Instance: env.Instance, Watermark: watermarkOf(h.Watermark), Behind: behindOf(h.Behind, env.Shard),
		Fleets: h.Fleets, Workers: h.Workers, OpenSessions: h.OpenSessions,
		Log: chainOf(env.Log), CoverageLog: chainOf(env.CoverageLog), Checkpoint: optional(env.Checkpoint),
	}
}

func (c *Coverage) readHeartbeat(f *heartbeatFields) (err error) {
	h := coverage.Heartbeat{Watermark: f.Watermark.watermark(), Fleets: f.Fleets, Workers: f.Workers, OpenSessions: f.OpenSessions}
	c.Heartbeat, c.Instance, c.Checkpoint = &h, f.Instance, string(f.Checkpoint)
	if f.Shard != c.Shard {
		return malformed("the key is %d and the heartbeat is of the shard %d", c.Shard, f.Shard)
	}
	if h.Behind, err = behindFrom(f.Behind, c.Shard); err != nil {
		return err
	}
	if c.Log, err = f.Log.chain("the log of a heartbeat"); err != nil {
		return err
	}
	if c.CoverageLog, err = f.CoverageLog.chain("the coverage log of a heartbeat"); err != nil {
		return err
	}
	if c.CoverageLog.Size+1 != c.Number {
		return malformed("%s is %q and the coverage log of the heartbeat has the size %d", idHeader, c.ID, c.CoverageLog.Size)
	}
	return nil
}

// gapFields are the value of a gap's record, and a gap in the stored coverage.
type gapFields struct {
	Gap     string                  `json:"gap"`
	State   string                  `json:"state"`
	Reason  string                  `json:"reason"`
	Affects []string                `json:"affects"`
	Scope   scopeFields             `json:"scope"`
	From    instant                 `json:"from"`
	To      instant                 `json:"to"`
	Message string                  `json:"message"`
	Workers map[string]periodFields `json:"workers,omitempty"`
}

type periodFields struct {
	From instant `json:"from"`
	To   instant `json:"to"`
}

const (
	gapOpened = "opened"
	gapClosed = "closed"
)

func gapOf(g *coverage.Gap, shard int) gapFields {
	f := gapFields{
		Gap: gapName(shard, g.Number), State: gapOpened, Reason: string(g.Reason), Affects: affectsOf(g.Affects),
		Scope: scopeOf(g.Scope), From: instant(g.From), To: instant(g.To), Message: gapMessage(g.Reason),
	}
	if g.Closed {
		f.State = gapClosed
	}
	if len(g.Workers) > 0 {
		f.Workers = make(map[string]periodFields, len(g.Workers))
		for id, p := range g.Workers {
			f.Workers[id] = periodFields{instant(p.From), instant(p.To)}
		}
	}
	return f
}

func (f *gapFields) gap(shard int) (g coverage.Gap, err error) {
	g = coverage.Gap{
		Closed: f.State == gapClosed, Reason: coverage.Reason(f.Reason), Scope: f.Scope.scope(), From: time.Time(f.From), To: time.Time(f.To),
	}
	if f.State != gapOpened && f.State != gapClosed {
		return g, malformed("the state of a gap is %.80q", f.State)
	}
	if g.Number, err = decodeGapName(f.Gap, shard); err != nil {
		return g, err
	}
	if g.Affects, err = affectsFrom(f.Affects); err != nil {
		return g, err
	}
	if len(f.Workers) > 0 {
		g.Workers = make(map[string]coverage.Period, len(f.Workers))
		for id, p := range f.Workers {
			g.Workers[id] = coverage.Period{From: time.Time(p.From), To: time.Time(p.To)}
		}
	}
	return g, nil
}

// gapMessage returns what a gap with the reason means.
func gapMessage(r coverage.Reason) string {
	return map[coverage.Reason]string{
		coverage.Down:        "No instance of Farmwire had the shard.",
		coverage.Throttled:   "Deadline Cloud answered that there were too many requests.",
		coverage.Denied:      "A policy does not allow the requests.",
		coverage.Credentials: "There were no credentials that Deadline Cloud accepts.",
		coverage.Unreachable: "Deadline Cloud could not be reached, or did not answer in time.",
		coverage.Failing:     "Deadline Cloud answered with errors, or with answers that cannot be used.",
		coverage.Kafka:       "Nothing could be published to Kafka.",
		coverage.Unresolved:  "Deadline Cloud does not say what became of a session.",
		coverage.Deleted:     "The workers were deleted before their sessions were listed completely once more.",
	}[r]
}

// watchFields are the value of a watch's record.
type watchFields struct {
	FarmID  optional `json:"farmId"`
	FleetID string   `json:"fleetId"`
	State   string   `json:"state"`
	Since   instant  `json:"since"`
	Reason  optional `json:"reason"`
}

func watchOf(w *coverage.Watch) watchFields {
	f := watchFields{FarmID: optional(w.FarmID), FleetID: w.FleetID, State: WatchBegan, Since: instant(w.Since), Reason: optional(w.Reason)}
	if w.Ended {
		f.State = WatchEnded
	}
	return f
}

func (f *watchFields) watch() (coverage.Watch, error) {
	if f.FleetID == "" || f.State != WatchBegan && f.State != WatchEnded {
		return coverage.Watch{}, malformed("the watch on the fleet %.80q has the state %.80q", f.FleetID, f.State)
	}
	return coverage.Watch{
		FarmID: string(f.FarmID), FleetID: f.FleetID, Ended: f.State == WatchEnded, Since: time.Time(f.Since), Reason: string(f.Reason),
	}, nil
}
