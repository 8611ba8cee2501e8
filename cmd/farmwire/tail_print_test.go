package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

// printed is what a tail with some flags prints of records, when its output is no terminal.
func printed(t *testing.T, c tailCmd, records ...consumer.Record) (out, warnings string) {
	t.Helper()
	var o, w bytes.Buffer
	p := c.printer(&streams{strings.NewReader(""), &o, &w})
	for _, r := range records {
		if err := p.print(r); err != nil {
			t.Fatal(err)
		}
	}
	return o.String(), w.String()
}

// As JSON lines, the events are as they are in Kafka, and there is nothing else.
func TestTailJSON(t *testing.T) {
	records := nightShift()
	for _, c := range []struct {
		cmd  tailCmd
		want func(event.Event) bool
	}{
		{tailCmd{Output: "auto"}, func(event.Event) bool { return true }},
		{tailCmd{Output: "jsonl", Change: []string{"ended", "vanished"}}, func(e event.Event) bool { return e.Kind == diff.Ended || e.Kind == diff.Vanished }},
		{tailCmd{Output: "jsonl", filterFlags: filterFlags{Fleet: []string{exampleSession(3).FleetID}, Queue: []string{"other", exampleSession(3).QueueID}}}, func(e event.Event) bool {
			return e.Session.FleetID == exampleSession(3).FleetID && e.Session.QueueID == exampleSession(3).QueueID
		}},
	} {
		var want strings.Builder
		for _, r := range records {
			if e, err := r.Event(); err != nil {
				t.Fatal(err)
			} else if c.want(e) {
				line, err := json.Marshal(r.Record)
				if err != nil {
					t.Fatal(err)
				}
				want.Write(append(line, '\n'))
			}
		}
		out, warnings := printed(t, c.cmd, records...)
		if diff := cmp.Diff(want.String(), out); diff != "" || warnings != "" {
			t.Errorf("%+v: warnings %q, output (-want +got):\n%s", c.cmd, warnings, diff)
		}
	}
}

// What cannot be read is left out: of a newer version with one warning for each type, and anything else with its place.
func TestTailLeavesOut(t *testing.T) {
	good := recordOf(began(1, 1), "", 0)
	with := func(kind string) consumer.Record {
		r := recordOf(began(1, 1), "", 0)
		for i := range r.Headers {
			if r.Headers[i].Key == "ce_type" {
				r.Headers[i].Value = []byte(kind)
			}
		}
		return r
	}
	damaged := recordOf(began(1, 1), "", 0)
	damaged.Value = []byte("{")
	newer, newest := "farmwire.session.\x1b.v1", "farmwire.session.ended.v2"
	out, warnings := printed(t, tailCmd{Output: "jsonl"}, with(newer), with(newest), good, with(newer), damaged, damaged, with(newest))
	if strings.Count(out, "\n") != 1 || strings.Contains(out, `\u001b`) {
		t.Errorf("printed %s", out)
	}
	want := `farmwire: warning: events of the type "farmwire.session.\x1b.v1" are left out, because this version does not know them: update farmwire
farmwire: warning: events of the type "farmwire.session.ended.v2" are left out, because this version does not know them: update farmwire
farmwire: warning: a record is left out: deadline.sessions.events/3 offset 17: malformed record: the value: unexpected end of JSON input
farmwire: warning: a record is left out: deadline.sessions.events/3 offset 17: malformed record: the value: unexpected end of JSON input
`
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// The command for the log of a session comes with its first event, and does nothing else when it is pasted, whatever the ids are.
func TestTailLogs(t *testing.T) {
	c := began(1, 1)
	c.Session.FarmID, c.Session.QueueID = "farm-$(id)", "queue';id;'"
	c.Session.StartedAt, c.Observed.Exact = time.Time{}, false
	again := c
	again.Kind, again.Sequence, again.Session.LifecycleStatus = diff.Updating, 2, "UPDATE_IN_PROGRESS"
	ended := over(1, 3, 5, 6)
	out, warnings := printed(t, tailCmd{Output: "pretty", Logs: true}, recordOf(c, "", 0), recordOf(again, "", 0), recordOf(ended, "", 0))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 5 || warnings != "" { // with the day
		t.Fatalf("printed %s%s", out, warnings)
	}
	// As a shell takes it apart:
	words, err := exec.Command("sh", "-c", strings.Replace(lines[2], " aws ", ` printf '%s\n' aws `, 1)).Output()
	want := []string{"aws", "logs", "tail", "/aws/deadline/farm-$(id)/queue';id;'", "--log-stream-names", c.Session.SessionID,
		"--since", "2026-03-14T23:59:41Z", "--region", "eu-west-1", ""}
	if diff := cmp.Diff(want, strings.Split(string(words), "\n")); diff != "" || err != nil {
		t.Errorf("%v, words (-want +got):\n%s", err, diff)
	}
}

// The line of a session ends with the session, though its end is not selected.
func TestTailLanes(t *testing.T) {
	out, _ := printed(t, tailCmd{Output: "pretty", Change: []string{"started"}}, recordOf(began(1, 1), "", 0), recordOf(over(1, 2, 5, 6), "", 0), recordOf(began(2, 7), "", 0))
	if strings.Count(out, "┬") != 2 || strings.Contains(out, "│") || strings.Contains(out, "ended") {
		t.Errorf("printed:\n%s", out)
	}
}

// What a tail remembers has a bound.
func TestRemember(t *testing.T) {
	set := map[string]bool{}
	for n := range mostRemembered + 5 {
		remember(set, string(rune(n)))
	}
	if len(set) != 5 || !set[string(rune(mostRemembered+4))] {
		t.Errorf("%d are remembered", len(set))
	}
}

func TestTailFlags(t *testing.T) {
	for _, c := range []struct {
		cmd  tailCmd
		want string
	}{
		{tailCmd{Output: "auto"}, ""},
		{tailCmd{Output: "pretty", Logs: true, Change: []string{"ended", "vanished"}}, ""},
		{tailCmd{Output: "auto", Logs: true}, "--logs is for people: give --output pretty"},
		{tailCmd{Output: "jsonl", Logs: true}, "--logs is for people: give --output pretty"},
		{tailCmd{Change: []string{"ended", "secret"}}, "--change must be of discovered, started, updating, updated, updatefailed, changed, ending, ended, vanished"},
		{tailCmd{filterFlags: filterFlags{Farm: []string{"a", ""}, Session: []string{""}}}, "--farm has an empty id: separate ids by one comma\n--session has an empty id"},
		{tailCmd{filterFlags: filterFlags{Fleet: []string{""}}}, "--fleet has"},
		{tailCmd{filterFlags: filterFlags{Worker: []string{""}}}, "--worker has"},
		{tailCmd{filterFlags: filterFlags{Queue: []string{""}}}, "--queue has"},
		{tailCmd{filterFlags: filterFlags{Job: []string{""}}}, "--job has"},
	} {
		err := errors.Join(c.cmd.check(&bytes.Buffer{}))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%+v: %v", c.cmd, err)
		}
	}
}
