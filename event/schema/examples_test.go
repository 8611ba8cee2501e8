package schema_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
)

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// session is one that has just begun.
func session() diff.Session {
	return diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: "farm-f", FleetID: "fleet-l", WorkerID: "worker-w"},
		QueueID:   "queue-q", JobID: "job-j", SessionID: "session-s", LifecycleStatus: diff.StatusStarted, StartedAt: epoch,
	}
}

// in returns the session with another status.
func in(status string) diff.Session {
	s := session()
	s.LifecycleStatus = status
	return s
}

// ended returns the session after its end. The service may show an end by the status, by the time, or by both.
func ended(status string, at time.Time) diff.Session {
	s := in(status)
	s.EndedAt = at
	return s
}

// changes are examples of every kind of change, and of all forms that it can have.
func changes() map[string]diff.Change {
	begun, wanted := session(), session()
	wanted.TargetLifecycleStatus = diff.StatusEnded
	known := diff.Bounds{After: epoch, Before: epoch.Add(time.Second)}
	exact := diff.Bounds{Before: epoch.Add(time.Second), Exact: true}
	late := in(diff.StatusUpdateFailed)
	late.TargetLifecycleStatus = diff.StatusEnded
	after := func(kind diff.Kind, s diff.Session) diff.Change {
		return diff.Change{Kind: kind, Sequence: 2, Session: s, Previous: &begun, Observed: known}
	}
	end := func(s diff.Session, observed diff.Bounds) diff.Change {
		c := after(diff.Ended, s)
		c.Observed = observed
		return c
	}
	first := end(ended("ENDED", epoch), exact)
	first.Sequence, first.Previous = 1, nil
	history := end(ended("ENDED", epoch), exact)
	history.Snapshot = true
	return map[string]diff.Change{
		"discovered":          {Kind: diff.Discovered, Sequence: 1, Snapshot: true, Session: late, Observed: known},
		"discovered-inferred": {Kind: diff.Discovered, Sequence: 1, Inferred: true, Snapshot: true, Session: begun, Observed: known},
		"started":             {Kind: diff.Started, Sequence: 1, Session: begun, Observed: exact},
		"started-inferred":    {Kind: diff.Started, Sequence: 1, Inferred: true, Session: begun, Observed: exact},
		"updating":            after(diff.Updating, in(diff.StatusUpdateInProgress)),
		"updated":             after(diff.Updated, in(diff.StatusUpdateSucceeded)),
		"updatefailed":        after(diff.UpdateFailed, in(diff.StatusUpdateFailed)),
		"changed":             after(diff.Changed, in("PAUSED")),
		"ending":              after(diff.Ending, wanted),
		"vanished":            after(diff.Vanished, begun),
		"first-of-none":       {Kind: diff.Changed, Sequence: 1, Session: in("PAUSED"), Previous: &wanted, Observed: known},
		"ended":               end(ended("ENDED", epoch), exact),
		"ended-no-time":       end(ended("ENDED", time.Time{}), known),
		"ended-no-status":     end(ended("PAUSED", epoch), exact),
		"ended-first":         first,
		"ended-history":       history,
	}
}

// A kind of change that is not known yet may have any form, but for what holds for all of them.
func unknownChanges() map[string]diff.Change {
	over := ended("ENDED", epoch)
	inexact, exact := diff.Bounds{Before: epoch}, diff.Bounds{Before: epoch, Exact: true}
	return map[string]diff.Change{
		"unknown":       {Kind: "revived", Sequence: 9, Session: session(), Previous: &over, Observed: inexact},
		"unknown-first": {Kind: "imported", Sequence: 1, Inferred: true, Snapshot: true, Session: over, Observed: inexact},
		"unknown-odd":   {Kind: "restored", Sequence: 9, Inferred: true, Session: in("PAUSED"), Previous: &over, Observed: exact},
	}
}

// eventExamples are the records of the examples. Those of changes that are not known yet are not encoded by this version.
func eventExamples() map[string]event.Record {
	records := map[string]event.Record{}
	for _, all := range []map[string]diff.Change{changes(), unknownChanges()} {
		for name, c := range all {
			env := event.Envelope{Region: "eu-west-1", Recorded: epoch.Add(time.Minute)}
			if name != "started" {
				env.Status = &diff.WorkerStatus{Status: "RUNNING", HostName: "render-7"}
			}
			records[name] = event.Encode(&c, env)
		}
	}
	long := changes()["changed"]
	records["status-left-out"] = event.Encode(&long, event.Envelope{Region: "eu-west-1", Recorded: epoch, Status: new(diff.WorkerStatus)})
	return records
}

// coverageExamples are examples of every kind of coverage record, and of all forms that it can have.
func coverageExamples() map[string]event.Record {
	head := sha256.Sum256(nil)
	env := event.CoverageEnvelope{
		Region: "eu-west-1", StateTopic: "deadline.sessions.state", Shard: 3, Time: epoch, Recorded: epoch.Add(time.Second),
		CoverageLog: event.Chain{Size: 41, Head: head}, Instance: "host-1", Log: event.Chain{Size: 9, Head: head}, Checkpoint: "note\n\n— key sig\n",
	}
	first := event.CoverageEnvelope{Region: "eu-west-1", StateTopic: "deadline.sessions.state", Time: epoch, Recorded: epoch, Instance: "host-1"}
	gap := func(edit func(*coverage.Gap)) coverage.Record {
		g := exampleGap()
		edit(&g)
		return coverage.Record{Gap: &g}
	}
	watch := func(w coverage.Watch) coverage.Record { return coverage.Record{Watch: &w} }
	heartbeat := coverage.Heartbeat{
		Watermark: coverage.Watermark{Changes: epoch, Announced: epoch, Starts: epoch}, Behind: exampleBehind(), Fleets: 2, Workers: 30, OpenSessions: 4,
	}
	return map[string]event.Record{
		"heartbeat":       event.EncodeCoverage(coverage.Record{Heartbeat: &heartbeat}, env),
		"heartbeat-first": event.EncodeCoverage(coverage.Record{Heartbeat: &coverage.Heartbeat{}}, first),
		"gap-opened":      event.EncodeCoverage(gap(func(*coverage.Gap) {}), env),
		"gap-all": event.EncodeCoverage(gap(func(g *coverage.Gap) {
			g.Scope, g.From, g.Affects = coverage.Scope{}, time.Time{}, coverage.Affects{Changes: true, Announced: true, Starts: true}
		}), env),
		"gap-closed":  event.EncodeCoverage(gap(func(g *coverage.Gap) { g.Closed, g.To = true, epoch.Add(time.Minute) }), env),
		"gap-unknown": event.EncodeCoverage(gap(func(g *coverage.Gap) { g.Reason = "paused" }), env),
		"gap-deleted": event.EncodeCoverage(gap(func(g *coverage.Gap) {
			g.Reason, g.Closed, g.To = coverage.Deleted, true, epoch.Add(time.Minute)
			g.Workers = map[string]coverage.Period{"worker-a": {From: epoch, To: g.To}, "worker-b": {To: g.To}}
		}), env),
		"watch-began":   event.EncodeCoverage(watch(coverage.Watch{FarmID: "farm-f", FleetID: "fleet-l", Since: epoch}), env),
		"watch-ended":   event.EncodeCoverage(watch(coverage.Watch{FarmID: "farm-f", FleetID: "fleet-l", Since: epoch, Ended: true, Reason: "gone"}), env),
		"watch-unknown": event.EncodeCoverage(watch(coverage.Watch{FleetID: "fleet-l"}), env),
	}
}

func exampleGap() coverage.Gap {
	return coverage.Gap{
		Number: 7, Reason: coverage.Denied, Affects: coverage.Affects{Announced: true, Starts: true},
		Scope: coverage.Scope{FarmID: "farm-f", FleetID: "fleet-l"}, From: epoch,
	}
}

func exampleBehind() []coverage.Behind {
	g := exampleGap()
	return []coverage.Behind{{Gap: g.Number, Scope: g.Scope, Affects: g.Affects, Watermark: coverage.Watermark{Starts: epoch}}}
}

// stateExamples are examples of every kind of state record, with the keys that they have in the topic.
func stateExamples() map[string]event.Record {
	begun := session()
	over := ended("ENDED", epoch)
	over.TargetLifecycleStatus = diff.StatusEnded
	put := func(r diff.Record) event.Record {
		return event.Record{Key: []byte(r.Session.SessionID), Value: event.AppendSession(nil, &r)}
	}
	worker := begun.WorkerKey
	all := diff.Absences{Worker: worker, Marks: []diff.AbsenceMark{{Since: epoch}}}
	some := all
	some.Marks = []diff.AbsenceMark{{Since: epoch, Sessions: []string{"a", "b"}}, {Since: epoch, Sessions: []string{"c"}}}
	watch := event.WatchRecord{
		Schema: event.Schema, Region: "eu-west-1", Partitions: 12, Initial: "open",
		Farms:  map[string]event.FarmWatch{"farm-f": {Listed: epoch, Gone: epoch}, "farm-g": {}},
		Fleets: map[string]event.FleetWatch{"fleet-l": {Since: epoch, Farm: "farm-f", Gone: epoch, Published: event.WatchEnded}, "fleet-m": {Published: event.WatchBegan}},
	}
	begin := event.WatchRecord{Schema: event.Schema, Region: "eu-west-1", Partitions: 1, Initial: "none"}
	stored := event.CoverageState{Shard: 3, Log: event.Chain{Size: 41, Head: sha256.Sum256(nil)}}
	stored.State = coverage.State{
		Alive: epoch, Watermark: coverage.Watermark{Changes: epoch, Announced: epoch, Starts: epoch}, Behind: exampleBehind(),
		Gaps: []coverage.Gap{exampleGap()}, NextGap: 8,
		Unanswered: []coverage.Unanswered{{Scope: worker, Affects: coverage.Affects{Starts: true}, First: epoch, Reason: coverage.Denied}},
	}
	exist := []diff.WorkerKey{worker, {FarmID: "farm-f", FleetID: "fleet-l", WorkerID: "worker-x"}}
	absences := func(a diff.Absences) event.Record {
		return event.Record{Key: event.AppendAbsencesKey(nil, a.Worker), Value: event.AppendAbsences(nil, a, 1<<20)}
	}
	return map[string]event.Record{
		"session":          put(diff.Record{Session: begun, Sequence: 1, Seen: epoch}),
		"session-silent":   put(diff.Record{Session: begun, Seen: epoch}),
		"session-ended":    put(diff.Record{Session: over, Sequence: 2, Seen: epoch}),
		"session-vanished": put(diff.Record{Session: begun, Sequence: 2, Seen: epoch, Vanished: true}),
		"session-missing":  put(diff.Record{Session: begun, Sequence: 2, Seen: epoch, Missing: epoch}),
		"watch":            {Key: []byte(event.WatchKey), Value: event.AppendWatch(nil, watch)},
		"watch-new":        {Key: []byte(event.WatchKey), Value: event.AppendWatch(nil, begin)},
		"log":              {Key: []byte(event.LogKey), Value: event.AppendLog(nil, stored.Log)},
		"log-empty":        {Key: []byte(event.LogKey), Value: event.AppendLog(nil, event.Chain{})},
		"coverage":         {Key: []byte(event.CoverageKey), Value: event.AppendCoverageState(nil, stored)},
		"coverage-new":     {Key: []byte(event.CoverageKey), Value: event.AppendCoverageState(nil, event.CoverageState{})},
		"workers":          {Key: []byte(event.WorkersKey), Value: event.AppendWorkers(nil, exist, 1<<20)},
		"workers-none":     {Key: []byte(event.WorkersKey), Value: event.AppendWorkers(nil, nil, 1<<20)},
		"absences-all":     absences(all),
		"absences-some":    absences(some),
		"forgotten":        {Key: []byte("session-s")},
		"none-absent":      {Key: event.AppendAbsencesKey(nil, worker)},
	}
}

// The examples have the form that the files promise.
func TestExamples(t *testing.T) {
	c := load(t)
	for channel, records := range map[string]map[string]event.Record{
		"events": eventExamples(), "coverage": coverageExamples(), "state": stateExamples(),
	} {
		for name, r := range records {
			if err := c.check(channel, r); err != nil {
				t.Errorf("%s: %s: %v", name, r.Value, err)
			}
		}
	}
	copies := eventExamples()
	for name, isCopied := range map[string]bool{"ended": true, "ended-no-time": true, "ended-history": false, "vanished": false, "started": false} {
		if err := c.check("ended", copies[name]); (err == nil) != isCopied {
			t.Errorf("%s in the ended topic: %v", name, err)
		}
	}
}

// A consumer that validates records accepts what a newer version adds.
func TestAdditions(t *testing.T) {
	c := load(t)
	for name, value := range map[string]string{
		"fields": edit(t, eventExamples()["ended"].Value, "/more", `[1]`, "/session/more", `{}`, "/previous/more", `1`,
			"/observed/more", `1`, "/worker/more", `1`),
		"statuses": edit(t, eventExamples()["changed"].Value, "/session/lifecycleStatus", `"PAUSED"`,
			"/session/targetLifecycleStatus", `"PAUSED"`, "/previous/lifecycleStatus", `"WAITING"`, "/worker/status", `"RESTING"`),
	} {
		if err := c.event.Validate(parse(t, value)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string]string{
		"heartbeat": edit(t, coverageExamples()["heartbeat"].Value, "/more", `[1]`, "/watermark/more", `1`, "/behind/0/more", `1`,
			"/behind/0/scope/more", `1`, "/behind/0/watermark/more", `1`, "/log/more", `1`, "/coverageLog/more", `1`),
		"gap":    edit(t, coverageExamples()["gap-deleted"].Value, "/more", `[1]`, "/scope/more", `1`, "/workers/worker-a/more", `1`),
		"watch":  edit(t, coverageExamples()["watch-ended"].Value, "/more", `[1]`),
		"reason": edit(t, coverageExamples()["gap-opened"].Value, "/reason", `"paused"`),
		"a kind": `{"quotas":[]}`,
	} {
		if err := c.coverage.Validate(parse(t, value)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, value := range map[string]string{
		"fields":       edit(t, stateExamples()["session"].Value, "/more", `[1]`, "/session/more", `1`),
		"watch fields": edit(t, stateExamples()["watch"].Value, "/more", `1`, "/farms/farm-f/more", `1`, "/fleets/fleet-l/more", `1`),
		"mark fields":  edit(t, stateExamples()["absences-all"].Value, "/more", `1`, "/marks/0/more", `1`),
		"log fields":   edit(t, stateExamples()["log"].Value, "/more", `1`),
		"workers":      edit(t, stateExamples()["workers"].Value, "/more", `1`),
		"coverage": edit(t, stateExamples()["coverage"].Value, "/more", `1`, "/watermark/more", `1`, "/behind/0/more", `1`,
			"/gaps/0/more", `1`, "/unanswered/0/more", `1`, "/next/more", `1`),
		"a kind":   `{"schema":1,"quotas":[]}`,
		"a schema": `{"schema":2,"session":17,"farms":[],"marks":null}`,
	} {
		if err := c.state.Validate(parse(t, value)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
