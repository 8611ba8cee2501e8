//go:build unix

package examples

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
)

// sdkEvent is an event as an SDK of CloudEvents reads it.
type sdkEvent struct {
	Attributes map[string]any `json:"attributes"`
	Data       any            `json:"data"`
}

// The SDKs of CloudEvents for Python, JavaScript and Go read events of every kind in every topic that has events, with all
// attributes and the same data.
func TestSDKs(t *testing.T) {
	s := newSource(t)
	kinds := []diff.Kind{diff.Discovered, diff.Started, diff.Updating, diff.Updated, diff.UpdateFailed, diff.Changed, diff.Ending, diff.Ended, diff.Vanished}
	var events, ended []sdkEvent
	for n := range 3 {
		var changes []diff.Change
		for i, kind := range kinds {
			changes = append(changes, change(n, kind, uint64(i+1)))
		}
		s.publish(t, kgo.TryAbort, changes...)
		for i, r := range s.publish(t, kgo.TryCommit, changes...) {
			events = append(events, sdkEventOf(t, r))
			if kinds[i] == diff.Ended {
				ended = append(ended, events[len(events)-1])
			}
		}
	}
	startTrigger(t, s, nil, "--group", "refusing", "--attempts", "1", "--", "false")
	deadLetters(t, s, "refusing", len(ended))
	topics := map[string][]sdkEvent{prefix + event.EventsSuffix: events, prefix + event.EndedSuffix: ended, "refusing.dead-letters": ended}
	for _, sdk := range []struct {
		name    string
		command func(t *testing.T) []string
	}{
		{"Python", func(t *testing.T) []string {
			needsPython(t)
			return []string{"python3", folder(t, "testdata/sdks/read.py")}
		}},
		{"JavaScript", func(t *testing.T) []string { needsNode(t); return []string{"node", folder(t, "testdata/sdks/read.js")} }},
		{"Go", func(t *testing.T) []string { return []string{buildGoReader(t)} }},
	} {
		t.Run(sdk.name, func(t *testing.T) {
			command := sdk.command(t)
			for topic, want := range topics {
				p := start(t, t.TempDir(), nil, append(command, s.brokers, topic, strconv.Itoa(len(want)))...)
				got := make([]sdkEvent, len(want))
				for i, line := range p.take(t, len(want)) {
					if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
						t.Fatalf("%v: %s", err, line)
					}
				}
				if d := cmp.Diff(sorted(want), sorted(got)); d != "" {
					t.Errorf("%s (-want +got):\n%s", topic, d)
				}
				if err := p.cmd.Wait(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// sdkEventOf returns what an SDK should read of a record: all its headers and its value.
func sdkEventOf(t *testing.T, r event.Record) sdkEvent {
	t.Helper()
	e := sdkEvent{Attributes: map[string]any{}}
	for _, h := range r.Headers {
		name := strings.TrimPrefix(h.Key, "ce_")
		if name == "content-type" {
			name = "datacontenttype"
		}
		e.Attributes[name] = string(h.Value)
	}
	if err := json.Unmarshal(r.Value, &e.Data); err != nil {
		t.Fatal(err)
	}
	return e
}

// sorted returns events in the order of their ids.
func sorted(events []sdkEvent) []sdkEvent {
	return slices.SortedFunc(slices.Values(events), func(a, b sdkEvent) int {
		x, _ := a.Attributes["id"].(string)
		y, _ := b.Attributes["id"].(string)
		return strings.Compare(x, y)
	})
}

// buildGoReader builds the reader in Go, which is a module of its own.
func buildGoReader(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "readevents")
	const module = "testdata/sdks/go"
	if out, err := exec.Command("go", "mod", "download", "-C", module).CombinedOutput(); err != nil {
		t.Skipf("the modules of examples/%s cannot be downloaded: %s", module, out)
	}
	if out, err := exec.Command("go", "build", "-C", module, "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}
