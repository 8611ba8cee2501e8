package event

import (
	"strings"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
)

const (
	// CoverageKey is the key of the state record with a shard's coverage.
	CoverageKey = "coverage"

	// WorkersKey is the key of the state record with the workers of a shard that exist.
	WorkersKey = "workers"
)

// CoverageState is the value of the state record with the key CoverageKey, without the workers, which have a record of their
// own.
type CoverageState struct {
	coverage.State
	Shard int
	Log   Chain // of the coverage records
}

// coverageStateFields are a CoverageState in JSON.
type coverageStateFields struct {
	Schema     int                `json:"schema"`
	Shard      int                `json:"shard"`
	Alive      instant            `json:"alive"`
	Watermark  watermarkFields    `json:"watermark"`
	Behind     []behindFields     `json:"behind"`
	Gaps       []gapFields        `json:"gaps"`
	Unanswered []unansweredFields `json:"unanswered,omitempty"`
	Next       struct {
		N    uint64 `json:"n"`
		Gap  uint64 `json:"gap"`
		Head string `json:"head"`
	} `json:"next"`
}

// unansweredFields are a coverage.Unanswered in JSON.
type unansweredFields struct {
	Scope   scopeFields `json:"scope"`
	Affects []string    `json:"affects"`
	Good    instant     `json:"good"`
	First   instant     `json:"first"`
	Reason  string      `json:"reason"`
}

// AppendCoverageState appends the value of the record.
func AppendCoverageState(b []byte, s CoverageState) []byte {
	f := coverageStateFields{
		Schema: Schema, Shard: s.Shard, Alive: instant(s.Alive), Watermark: watermarkOf(s.Watermark), Behind: behindOf(s.Behind, s.Shard),
		Gaps: make([]gapFields, len(s.Gaps)),
	}
	for i := range s.Gaps {
		f.Gaps[i] = gapOf(&s.Gaps[i], s.Shard)
	}
	for _, u := range s.Unanswered {
		f.Unanswered = append(f.Unanswered, unansweredFields{scopeOf(u.Scope), affectsOf(u.Affects), instant(u.Good), instant(u.First), string(u.Reason)})
	}
	f.Next.N, f.Next.Gap, f.Next.Head = s.Log.Size+1, s.NextGap, s.Log.HeadText()
	return append(b, marshal(f)...)
}

func decodeCoverageState(value []byte) (CoverageState, error) {
	var f coverageStateFields
	if err := unmarshalState(value, &f); err != nil {
		return CoverageState{}, err
	}
	head, err := decodeHead(f.Next.Head)
	switch {
	case err != nil:
		return CoverageState{}, malformed("the coverage record: %w", err)
	case f.Next.N == 0:
		return CoverageState{}, malformed("the number of the next coverage record is 0")
	}
	s := CoverageState{Shard: f.Shard, Log: Chain{Size: f.Next.N - 1, Head: head}}
	s.Alive, s.Watermark, s.NextGap = time.Time(f.Alive), f.Watermark.watermark(), f.Next.Gap
	if s.Behind, err = behindFrom(f.Behind, f.Shard); err != nil {
		return CoverageState{}, err
	}
	for i := range f.Gaps {
		g, err := f.Gaps[i].gap(f.Shard)
		if err != nil {
			return CoverageState{}, err
		}
		s.Gaps = append(s.Gaps, g)
	}
	for _, u := range f.Unanswered {
		affects, err := affectsFrom(u.Affects)
		if err != nil {
			return CoverageState{}, err
		}
		s.Unanswered = append(s.Unanswered, coverage.Unanswered{
			Scope: u.Scope.scope(), Affects: affects, Good: time.Time(u.Good), First: time.Time(u.First), Reason: coverage.Reason(u.Reason),
		})
	}
	return s, nil
}

// AppendWorkers appends the value of the state record with the key WorkersKey, which names workers by farm and fleet:
// {"schema":1,"workers":{farm id:{fleet id:[worker ids]}}}. It appends only as many workers as fit into so many bytes.
func AppendWorkers(b []byte, workers []diff.WorkerKey, room int) []byte {
	f := workersFields{Schema: Schema, Farms: make(map[string]map[string][]string)}
	const punctuation = 16
	room -= 2 * punctuation
	for _, w := range workers {
		fleets := f.Farms[w.FarmID]
		room -= len(w.WorkerID) + len(`"",`)
		if fleets == nil {
			room -= len(w.FarmID) + punctuation
		}
		if fleets[w.FleetID] == nil {
			room -= len(w.FleetID) + punctuation
		}
		if room < 0 {
			break
		}
		if fleets == nil {
			fleets = make(map[string][]string)
			f.Farms[w.FarmID] = fleets
		}
		fleets[w.FleetID] = append(fleets[w.FleetID], w.WorkerID)
	}
	return append(b, marshal(f)...)
}

type workersFields struct {
	Schema int                            `json:"schema"`
	Farms  map[string]map[string][]string `json:"workers"`
}

func decodeWorkers(value []byte) ([]diff.WorkerKey, error) {
	var f workersFields
	if err := unmarshalState(value, &f); err != nil {
		return nil, err
	}
	all := []diff.WorkerKey{}
	for farm, fleets := range f.Farms {
		for fleet, workers := range fleets {
			for _, worker := range workers {
				all = append(all, diff.WorkerKey{FarmID: farm, FleetID: fleet, WorkerID: worker})
			}
		}
	}
	return all, nil
}

// IsOwnKey reports whether a record of the state topic with this key is one of Farmwire's own, and not that of a session. A
// session whose id is such a key cannot be stored.
func IsOwnKey(key string) bool {
	switch key {
	case WatchKey, LogKey, CoverageKey, WorkersKey:
		return true
	}
	return strings.HasPrefix(key, absentPrefix)
}
