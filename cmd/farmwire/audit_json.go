package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"farmwire/consumer/audit"
	"farmwire/coverage"
)

// auditJSON is a report as JSON. Times are RFC 3339; null stands for what does not apply or is not known.
type auditJSON struct {
	TopicPrefix string                `json:"topicPrefix"`
	Clean       bool                  `json:"clean"`
	Findings    []findingJSON         `json:"findings"` // the gravest first; at most 100 of a kind
	Counts      map[audit.Kind]uint64 `json:"counts"`   // how many findings there are of each kind

	Events          uint64 `json:"events"`   // records of each topic
	Unlogged        uint64 `json:"unlogged"` // events of versions that had no log
	Sessions        uint64 `json:"sessions"`
	EndedCopies     uint64 `json:"endedCopies"`
	StateRecords    uint64 `json:"stateRecords"`
	CoverageRecords uint64 `json:"coverageRecords"`
	Checkpoints     uint64 `json:"checkpoints"`
	Verified        uint64 `json:"verifiedSignatures"`

	Shards    []auditShardJSON `json:"shards"`
	GapTotals []gapTotalJSON   `json:"gapTotals"`
	Gaps      []auditGapJSON   `json:"gaps"` // those that are open, and the longest of the others
}

type findingJSON struct {
	Kind      audit.Kind `json:"kind"`
	Text      string     `json:"text"`
	Shard     *int       `json:"shard"`
	Index     *int64     `json:"index"` // in the log of the shard, or the number of a coverage record
	Topic     *string    `json:"topic"`
	Partition *int32     `json:"partition"`
	Offset    *int64     `json:"offset"`
	Session   *string    `json:"sessionId"`
}

type auditShardJSON struct {
	Shard         int          `json:"shard"`
	Events        uint64       `json:"events"`
	VerifiedFrom  uint64       `json:"verifiedFrom"` // index of the first event that is verified
	VerifiedTo    uint64       `json:"verifiedTo"`   // one more than the index of the last
	Coverage      uint64       `json:"coverageRecords"`
	VerifiedUntil *time.Time   `json:"verifiedUntil"` // the time of the newest heartbeat that agrees with them
	Heartbeat     *time.Time   `json:"heartbeat"`
	Signed        bool         `json:"signatureVerified"` // of the newest heartbeat
	Watermark     *kindsJSON   `json:"watermark"`
	Behind        []behindJSON `json:"behind"`
}

// kindsJSON holds a time for each kind of look.
type kindsJSON struct {
	Changes   *time.Time `json:"changes"`
	Announced *time.Time `json:"announced"`
	Starts    *time.Time `json:"starts"`
}

type scopeJSON struct {
	FarmID   *string `json:"farmId"`
	FleetID  *string `json:"fleetId"`
	WorkerID *string `json:"workerId"`
}

type behindJSON struct {
	Gap       string    `json:"gap"`
	Scope     scopeJSON `json:"scope"`
	Watermark kindsJSON `json:"watermark"`
}

type gapTotalJSON struct {
	Reason  coverage.Reason `json:"reason"`
	Gaps    uint64          `json:"gaps"`
	Open    uint64          `json:"open"`
	Seconds float64         `json:"seconds"` // of those that are closed
	Workers uint64          `json:"workers"` // of the reason deleted
}

type auditGapJSON struct {
	Gap    string          `json:"gap"`
	Reason coverage.Reason `json:"reason"`
	Scope  scopeJSON       `json:"scope"`
	From   *time.Time      `json:"from"`
	To     *time.Time      `json:"to"`
}

// writeAuditJSON writes a report as one JSON document.
func writeAuditJSON(out io.Writer, c audit.Config, r *audit.Report) error {
	doc := auditJSON{
		TopicPrefix: c.Consumer.TopicPrefix, Clean: r.Clean(), Findings: []findingJSON{}, Counts: r.Counts,
		Events: r.Events, Unlogged: r.Unlogged, Sessions: r.Sessions, EndedCopies: r.Ended, StateRecords: r.States, CoverageRecords: r.Coverage,
		Checkpoints: r.Notes, Verified: r.Verified, Shards: []auditShardJSON{}, GapTotals: []gapTotalJSON{}, Gaps: []auditGapJSON{},
	}
	for _, f := range r.Findings {
		doc.Findings = append(doc.Findings, findingAsJSON(f))
	}
	for _, s := range r.Shards {
		doc.Shards = append(doc.Shards, shardAsJSON(s))
	}
	for _, t := range r.Totals {
		doc.GapTotals = append(doc.GapTotals, gapTotalJSON{t.Reason, t.Gaps, t.Open, t.Time.Seconds(), t.Workers})
	}
	for _, g := range r.Gaps {
		doc.Gaps = append(doc.Gaps, auditGapJSON{gapName(g.Shard, g.Number), g.Reason, scopeAsJSON(g.Scope), unlessZero(g.From), unlessZero(g.To)})
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(doc)
}

func findingAsJSON(f audit.Finding) findingJSON {
	j := findingJSON{Kind: f.Kind, Text: f.Text, Topic: unlessZero(f.Topic), Session: unlessZero(f.Session)}
	if f.Shard >= 0 {
		j.Shard = &f.Shard
	}
	if f.Index >= 0 {
		j.Index = &f.Index
	}
	if f.Topic != "" {
		j.Partition, j.Offset = &f.Partition, &f.Offset
	}
	return j
}

func shardAsJSON(s audit.Shard) auditShardJSON {
	j := auditShardJSON{
		Shard: s.Number, Events: s.Events, VerifiedFrom: s.VerifiedFrom, VerifiedTo: s.VerifiedTo, VerifiedUntil: unlessZero(s.VerifiedUntil), Coverage: s.Coverage, Signed: s.Signed,
		Behind: []behindJSON{},
	}
	if s.Heartbeat == nil {
		return j
	}
	h := s.Heartbeat.Heartbeat
	watermark := kindsAsJSON(h.Watermark)
	j.Heartbeat, j.Watermark = unlessZero(s.Heartbeat.Time), &watermark
	for _, b := range h.Behind {
		j.Behind = append(j.Behind, behindJSON{gapName(s.Number, b.Gap), scopeAsJSON(b.Scope), kindsAsJSON(b.Watermark)})
	}
	return j
}

func kindsAsJSON(w coverage.Watermark) kindsJSON {
	return kindsJSON{unlessZero(w.Changes), unlessZero(w.Announced), unlessZero(w.Starts)}
}

func scopeAsJSON(s coverage.Scope) scopeJSON {
	return scopeJSON{unlessZero(s.FarmID), unlessZero(s.FleetID), unlessZero(s.WorkerID)}
}

// gapName returns the name of a gap, as the records have it.
func gapName(shard int, number uint64) string { return fmt.Sprintf("%d.%d", shard, number) }
