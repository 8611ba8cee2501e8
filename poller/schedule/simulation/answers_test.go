package simulation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// scripted returns a simulation of a script. All is known that was open at its start.
func scripted(t *testing.T, c simulation.Config) (*simulation.Simulation, *script) {
	t.Helper()
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Observe()
	d := &script{}
	s.Drive(d)
	return s, d
}

// send lets the script send a call, and returns the answer.
func send(t *testing.T, s *simulation.Simulation, d *script, c schedule.Call) schedule.Answer {
	t.Helper()
	c.Number = uint64(len(s.Sent()) + 1)
	if c.List == 0 {
		c.List = c.Number
	}
	answered := len(d.answers)
	d.calls = append(d.calls, c)
	if err := s.Run(time.Second); err != nil || len(d.answers) != answered+1 {
		t.Fatalf("%d answers: %v", len(d.answers)-answered, err)
	}
	return d.answers[answered]
}

func runFor(t *testing.T, s *simulation.Simulation, d time.Duration) {
	t.Helper()
	if err := s.Run(d); err != nil {
		t.Fatal(err)
	}
}

// open returns the ids of the sessions that are known to be open, and how many of them must be looked up.
func open(s *simulation.Simulation) (ids []string, unresolved int) {
	for _, k := range s.Known() {
		for _, session := range k.Open {
			ids = append(ids, session.SessionID)
		}
		unresolved += len(k.Unresolved)
	}
	return ids, unresolved
}

// What a listing has shown counts when it is stopped, and it proves no absence.
func TestStoppedListing(t *testing.T) {
	for name, test := range map[string]struct {
		mix     simulation.Mix
		outcome schedule.Outcome
		learns  bool // what is open now
		misses  bool // what was open before
		commits int
	}{
		"stopped, newest first":   {simulation.DeepHistory, schedule.Outcome{Stage: schedule.Stopped}, true, false, 1},
		"complete, newest first":  {simulation.DeepHistory, schedule.Outcome{Stage: schedule.Complete}, true, false, 1},
		"stopped, oldest first":   {simulation.DeepHistoryOldest, schedule.Outcome{Stage: schedule.Stopped}, false, false, 1},
		"complete, oldest first":  {simulation.DeepHistoryOldest, schedule.Outcome{Stage: schedule.Complete}, false, true, 1},
		"discarded, newest first": {simulation.DeepHistory, schedule.Outcome{Stage: schedule.Discarded}, false, false, 0},
		"stopped, but ignored":    {simulation.DeepHistory, schedule.Outcome{Stage: schedule.Stopped, Ignored: true}, false, false, 0},
	} {
		s, d := scripted(t, simulation.Config{Mix: test.mix, Workers: 100, Seed: 1})
		d.outcome = func(schedule.Call, schedule.Answer) schedule.Outcome { return test.outcome }
		runFor(t, s, time.Hour)
		learned, missed, complete, asked := 0, 0, 0, s.Known()
		for _, k := range asked {
			before, _ := open(s)
			d.committed = 0
			a := send(t, s, d, schedule.Call{Kind: schedule.ListSessionsForWorker, Worker: k.Worker, Page: 1})
			after, unresolved := open(s)
			if a.NewestFirst != (test.mix == simulation.DeepHistory) || a.Unordered != (test.mix == simulation.DeepHistoryOldest) || len(a.Sessions) == 0 && !a.Settled {
				t.Fatalf("%s: %+v", name, a)
			}
			if !slices.Equal(before, after) {
				learned++
			}
			if missed = unresolved; d.committed != test.commits {
				t.Fatalf("%s: %d commits", name, d.committed)
			}
		}
		for _, l := range s.Listings {
			if l.Complete {
				complete++
			}
		}
		if (learned > 0) != test.learns || (missed > 0) != test.misses || len(s.Listings) != len(asked) || (complete > 0) != (test.outcome.Stage == schedule.Complete) {
			t.Errorf("%s: %d of %d workers have news, %d sessions are missed, %d of %d listings are complete", name, learned, len(asked), missed, complete, len(s.Listings))
		}
	}
}

// Of a page the answer names what is open, and what was not known to have ended.
func TestSettled(t *testing.T) {
	s, d := scripted(t, simulation.Config{Workers: 100, Session: time.Minute, Seed: 1})
	runFor(t, s, 5*time.Minute)
	news, quiet := 0, 0
	for _, k := range s.Known() {
		c := schedule.Call{Kind: schedule.ListSessionsForWorker, Worker: k.Worker, Page: 1}
		first, again := send(t, s, d, c), send(t, s, d, c)
		for _, session := range first.Sessions {
			if session.HasEnded() && session.EndedAt.Before(timeOfStart) {
				t.Errorf("a session is named that had ended before the simulation began: %+v", session)
			}
		}
		for _, session := range again.Sessions {
			if session.HasEnded() && slices.ContainsFunc(first.Sessions, func(f diff.Session) bool { return f == session }) {
				t.Errorf("a session is named that is known to have ended: %+v", session)
			}
		}
		if len(first.Sessions) == 0 && !first.Settled || len(again.Sessions) == 0 && !again.Settled {
			t.Errorf("settled %v with %d sessions, then %v with %d", first.Settled, len(first.Sessions), again.Settled, len(again.Sessions))
		}
		if slices.ContainsFunc(first.Sessions, diff.Session.HasEnded) {
			news++
		}
		if again.Settled {
			quiet++
		}
	}
	if news < 10 || quiet < 10 {
		t.Errorf("%d workers with ended sessions, %d without news the second time", news, quiet)
	}
}

// A lookup names the sessions that it finds.
func TestLookup(t *testing.T) {
	s, d := scripted(t, simulation.Config{Workers: 30, Seed: 1})
	known := s.Known()[0].Open[0]
	other := known
	other.SessionID = "session-never"
	runFor(t, s, time.Hour)
	a := send(t, s, d, schedule.Call{Kind: schedule.BatchGetSession, Sessions: []diff.Session{other, known}, Shards: []int{0}})
	if len(a.Sessions) != 1 || a.Sessions[0].SessionID != known.SessionID || !a.Sessions[0].HasEnded() || len(a.Findings) != 2 {
		t.Errorf("%+v", a)
	}
}

var timeOfStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// A page of a job's sessions is an observation of the workers that the outcome names, and of no others.
func TestJobListing(t *testing.T) {
	for _, stage := range []schedule.Stage{schedule.UnderWay, schedule.Complete, schedule.Stopped} {
		s, d := scripted(t, simulation.Config{Mix: simulation.Busy, Workers: 50, Seed: 1})
		runFor(t, s, 5*time.Minute)
		known := s.Known()[0].Open[0]
		job := schedule.Job{FarmID: known.FarmID, QueueID: known.QueueID, JobID: known.JobID}
		before, _ := open(s)
		var named []diff.WorkerKey
		d.outcome = func(c schedule.Call, a schedule.Answer) schedule.Outcome {
			if c.Job != job || a.Settled || !a.NewestFirst {
				t.Fatalf("%+v", a)
			}
			for _, session := range a.Sessions {
				if !slices.Contains(before, session.SessionID) && !slices.Contains(named, session.WorkerKey) && len(named) < 2 {
					named = append(named, session.WorkerKey)
				}
			}
			return schedule.Outcome{Stage: stage, Workers: named}
		}
		send(t, s, d, schedule.Call{Kind: schedule.ListSessions, Job: job, Page: 1})
		if d.committed != 2 || len(named) != 2 || s.Sent()[0].Kind != schedule.ListSessions {
			t.Fatalf("%d workers are named, %d commits", len(named), d.committed)
		}
		found := 0
		for _, k := range s.Known() {
			for _, session := range k.Open {
				if slices.Contains(before, session.SessionID) {
					continue
				}
				if found++; session.JobID != job.JobID || !slices.Contains(named, k.Worker) {
					t.Errorf("%+v is known now", session)
				}
			}
		}
		if found < 1 {
			t.Error("nothing new is known")
		}
	}
}

// An answer about a worker that no list of workers has shown, or that was deleted, is an observation too.
func TestJobListingOfDeletedWorkers(t *testing.T) {
	s, d := scripted(t, simulation.Config{Mix: simulation.Autoscaling, Workers: 500, Seed: 1})
	var jobs []schedule.Job
	for _, k := range s.Known() {
		for _, n := range k.Open {
			if j := (schedule.Job{FarmID: n.FarmID, QueueID: n.QueueID, JobID: n.JobID}); !slices.Contains(jobs, j) {
				jobs = append(jobs, j)
			}
		}
	}
	runFor(t, s, 20*time.Minute)
	d.outcome = func(_ schedule.Call, a schedule.Answer) schedule.Outcome {
		var named []diff.WorkerKey
		for _, session := range a.Sessions {
			if !slices.Contains(named, session.WorkerKey) {
				named = append(named, session.WorkerKey)
			}
		}
		return schedule.Outcome{Stage: schedule.Complete, Workers: named}
	}
	c, known := schedule.Call{Kind: schedule.BatchGetWorker}, make(map[diff.WorkerKey]bool)
	for _, k := range s.Known() {
		known[k.Worker] = true
	}
	for _, job := range jobs {
		for _, session := range send(t, s, d, schedule.Call{Kind: schedule.ListSessions, Job: job, Page: 1}).Sessions {
			if w := session.WorkerKey; !known[w] {
				known[w], c.Workers = true, append(c.Workers, w)
			}
		}
	}
	d.outcome = nil
	a := send(t, s, d, c)
	if len(a.Gone) < 3 || len(a.Statuses) < 10 || len(a.Gone)+len(a.Statuses) != len(c.Workers) {
		t.Errorf("%d workers are new, %d exist, %d do not", len(c.Workers), len(a.Statuses), len(a.Gone))
	}
	if r := s.Measure(0, 20*time.Minute); len(r.Starts) < 50 {
		t.Errorf("%d starts are known", len(r.Starts))
	}
}

// A page of a job is no observation of a worker that is in a call, or that is not on the page; else the simulation ends.
// BatchGetWorker asks about workers that are in a call.
func TestLawsOfBatches(t *testing.T) {
	for name, test := range map[string]struct {
		outcome func(schedule.Answer) []diff.WorkerKey
		want    string
	}{
		"busy":          {func(a schedule.Answer) []diff.WorkerKey { return []diff.WorkerKey{a.Sessions[0].WorkerKey} }, "which is in call 1"},
		"twice":         {func(a schedule.Answer) []diff.WorkerKey { return slices.Repeat(others(a), 2) }, "which is in call 3"},
		"not there":     {func(schedule.Answer) []diff.WorkerKey { return []diff.WorkerKey{{WorkerID: "worker-0"}} }, "shows no session of it"},
		"free":          {others, ""},
		"nobody at all": {func(schedule.Answer) []diff.WorkerKey { return nil }, ""},
	} {
		// The listing of the first worker hangs while the job and the worker's status are asked for.
		s, d := scripted(t, simulation.Config{Mix: simulation.Busy, Workers: 50, Seed: 1, Fault: func(_ time.Time, c schedule.Call) simulation.Fault {
			if c.Kind == schedule.ListSessionsForWorker {
				return simulation.Hang()
			}
			return simulation.Fault{}
		}})
		known := s.Known()[0].Open[0]
		job := schedule.Job{FarmID: known.FarmID, QueueID: known.QueueID, JobID: known.JobID}
		d.calls = []schedule.Call{
			{Number: 1, List: 1, Kind: schedule.ListSessionsForWorker, Worker: known.WorkerKey, Page: 1},
			{Number: 2, Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{known.WorkerKey}},
			{Number: 3, List: 3, Kind: schedule.ListSessions, Job: job, Page: 1},
		}
		d.outcome = func(c schedule.Call, a schedule.Answer) schedule.Outcome {
			if c.Kind != schedule.ListSessions {
				return schedule.Outcome{Stage: schedule.Complete}
			}
			slices.SortStableFunc(a.Sessions, func(x, y diff.Session) int { // the busy worker first
				return strings.Compare(fmt.Sprint(x.WorkerKey != known.WorkerKey), fmt.Sprint(y.WorkerKey != known.WorkerKey))
			})
			return schedule.Outcome{Stage: schedule.Complete, Workers: test.outcome(a)}
		}
		if err := s.Run(time.Second); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// others returns the last worker of an answer.
func others(a schedule.Answer) []diff.WorkerKey {
	return []diff.WorkerKey{a.Sessions[len(a.Sessions)-1].WorkerKey}
}
