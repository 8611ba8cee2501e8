// Package docs tests the documentation: its links, its examples, the metrics that it lists, and the messages that it quotes.
package docs

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"farmwire/diff"
	"farmwire/event"
)

// The records in events.md are what is published for the changes that they show: every header and every byte of the value,
// but for white space. The signature of a checkpoint is by the public key in audit.md.
func TestExampleRecords(t *testing.T) {
	examples := regexp.MustCompile("(?s)```record\n(.*?)```").FindAllStringSubmatch(pages(t)["events.md"], -1)
	if len(examples) < 4 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		head, value, _ := strings.Cut(example[1], "\n\n")
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(value)); err != nil {
			t.Fatal(err)
		}
		record := recordOf(t, compact.Bytes(), headerLines(head))
		want := [][2]string{{"key", string(record.Key)}}
		for _, h := range record.Headers {
			want = append(want, [2]string{h.Key, string(h.Value)})
		}
		if d := cmp.Diff(want, headerLines(head)); d != "" {
			t.Errorf("headers (-published +documented):\n%s", d)
		}
		if d := cmp.Diff(string(record.Value), compact.String()); d != "" {
			t.Errorf("value (-published +documented):\n%s", d)
		}
	}
}

// recordOf is what is published for the change, or for what the coverage record says.
func recordOf(t *testing.T, value []byte, headers [][2]string) event.Record {
	t.Helper()
	encoded := event.Record{Value: value}
	for _, h := range headers {
		if h[0] == "key" {
			encoded.Key = []byte(h[1])
		} else {
			encoded.Headers = append(encoded.Headers, event.Header{Key: h[0], Value: []byte(h[1])})
		}
	}
	if !slices.ContainsFunc(headers, func(h [2]string) bool { return h[1] == "urn:farmwire:coverage:v1" }) {
		change, env := changeOf(t, value, headers)
		return event.Encode(&change, env)
	}
	c, err := event.DecodeCoverage(encoded.Key, encoded.Value, encoded.Headers)
	if err != nil {
		t.Fatal(err)
	}
	if c.Heartbeat != nil {
		verify(t, c)
	}
	c.CoverageLog.Size = c.Number - 1
	return event.EncodeCoverage(c.Record, event.CoverageEnvelope{
		Region: c.Region, StateTopic: c.StateTopic, Shard: c.Shard, Time: c.Time, Recorded: c.RecordedTime,
		CoverageLog: c.CoverageLog, Instance: c.Instance, Log: c.Log, Checkpoint: c.Checkpoint,
	})
}

// verify checks that the checkpoint is that of the heartbeat, and is signed by the key that audit.md shows.
func verify(t *testing.T, c event.Coverage) {
	t.Helper()
	key, err := note.NewVerifier(regexp.MustCompile(`studio-farmwire\+[0-9a-f]{8}\+[0-9A-Za-z+/=]+`).FindString(pages(t)["audit.md"]))
	if err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(c.Checkpoint), note.VerifierList(key))
	if err != nil {
		t.Fatal(err)
	}
	want := event.Checkpoint{Origin: event.Origin(c.Region, c.StateTopic, c.Shard), Log: c.Log, Coverage: c.CoverageLog}.Text()
	if d := cmp.Diff(want, opened.Text); d != "" {
		t.Errorf("the checkpoint (-heartbeat +note):\n%s", d)
	}
}

// headerLines are the names and values before the JSON of an example.
func headerLines(head string) [][2]string {
	var lines [][2]string
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines = append(lines, [2]string{name, strings.TrimSpace(value)})
	}
	return lines
}

// changeOf makes a change of the documented JSON. What the JSON does not say comes from the headers.
func changeOf(t *testing.T, value []byte, headers [][2]string) (diff.Change, event.Envelope) {
	t.Helper()
	var shown struct {
		Change             string
		Sequence           uint64
		Inferred, Snapshot bool
		Session            struct {
			FarmID, FleetID, WorkerID, QueueID, JobID, SessionID string
			LifecycleStatus, TargetLifecycleStatus               string
			StartedAt, EndedAt                                   time.Time
		}
		Previous *struct {
			LifecycleStatus, TargetLifecycleStatus string
			EndedAt                                time.Time
		}
		Observed struct {
			After, Before time.Time
			Exact         bool
		}
		Worker *struct{ Status, HostName string }
	}
	if err := json.Unmarshal(value, &shown); err != nil {
		t.Fatal(err)
	}
	s := shown.Session
	c := diff.Change{
		Kind: diff.Kind(shown.Change), Sequence: shown.Sequence, Inferred: shown.Inferred, Snapshot: shown.Snapshot,
		Session: diff.Session{
			WorkerKey: diff.WorkerKey{FarmID: s.FarmID, FleetID: s.FleetID, WorkerID: s.WorkerID},
			QueueID:   s.QueueID, JobID: s.JobID, SessionID: s.SessionID,
			LifecycleStatus: s.LifecycleStatus, TargetLifecycleStatus: s.TargetLifecycleStatus, StartedAt: s.StartedAt, EndedAt: s.EndedAt,
		},
		Observed: diff.Bounds{After: shown.Observed.After, Before: shown.Observed.Before, Exact: shown.Observed.Exact},
	}
	if p := shown.Previous; p != nil {
		c.Previous = &diff.Session{LifecycleStatus: p.LifecycleStatus, TargetLifecycleStatus: p.TargetLifecycleStatus, EndedAt: p.EndedAt}
	}
	env := event.Envelope{}
	if w := shown.Worker; w != nil {
		env.Status = &diff.WorkerStatus{Status: w.Status, HostName: w.HostName}
	}
	for _, h := range headers {
		switch h[0] {
		case "ce_source":
			env.Region = strings.Split(h[1], "/")[2]
		case "ce_recordedtime":
			recorded, err := time.Parse(time.RFC3339, h[1])
			if err != nil {
				t.Fatal(err)
			}
			env.Recorded = recorded
		case "ce_shard", "ce_logindex":
			n, err := strconv.ParseUint(h[1], 10, 31)
			if err != nil {
				t.Fatal(err)
			}
			if h[0] == "ce_shard" {
				env.Shard = int(n)
			} else {
				env.LogIndex = n
			}
		}
	}
	return c, env
}
