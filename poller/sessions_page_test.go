package poller

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
)

// entryOf reads a session of a test: an id, after a - if it has ended, and @ and when it started, in seconds.
func entryOf(text string) (id string, ended bool, started time.Time) {
	id, at, _ := strings.Cut(text, "@")
	id, ended = strings.CutPrefix(id, "-")
	seconds := 0
	fmt.Sscan(at, &seconds)
	return id, ended, testTime.Add(time.Duration(seconds) * time.Second)
}

// listingPage is a page of ListSessionsForWorker.
func listingPage(next string, entries ...string) *deadline.ListSessionsForWorkerOutput {
	out := sessionsPage(next)
	for _, text := range entries {
		id, ended, started := entryOf(text)
		s := types.WorkerSessionSummary{SessionId: &id, QueueId: aws.String("queue-1"), JobId: aws.String("job-1"), LifecycleStatus: "STARTED", StartedAt: &started}
		if ended {
			s.LifecycleStatus, s.EndedAt = "ENDED", &started
		}
		out.Sessions = append(out.Sessions, s)
	}
	return out
}

// jobPage is a page of ListSessions. Its sessions have a / and their worker at the end.
func jobPage(next string, entries ...string) *deadline.ListSessionsOutput {
	out := &deadline.ListSessionsOutput{Sessions: []types.SessionSummary{}, NextToken: &next}
	for _, text := range entries {
		text, worker, _ := strings.Cut(text, "/")
		id, ended, started := entryOf(text)
		s := types.SessionSummary{SessionId: &id, FleetId: aws.String("fleet-1"), WorkerId: &worker, LifecycleStatus: "STARTED", StartedAt: &started}
		if ended {
			s.LifecycleStatus, s.EndedAt = "ENDED", &started
		}
		out.Sessions = append(out.Sessions, s)
	}
	return out
}

// rememberingEnded returns a snapshot of worker-1 that remembers sessions as ended and others as open, and whose watch began an
// hour ago.
func rememberingEnded(open []string, ended ...string) diff.Snapshot {
	restorer := diff.NewRestorer()
	for _, id := range append(append([]string{}, open...), ended...) {
		s := diff.Session{WorkerKey: testKey, QueueID: "queue-1", JobID: "job-1", SessionID: id, LifecycleStatus: "STARTED", StartedAt: testTime}
		restorer.Put(diff.Record{Sequence: 1, Seen: testTime, Session: s})
	}
	for _, id := range ended {
		s := diff.Session{WorkerKey: testKey, QueueID: "queue-1", JobID: "job-1", SessionID: id, LifecycleStatus: "ENDED", StartedAt: testTime, EndedAt: testTime}
		restorer.Put(diff.Record{Sequence: 2, Seen: testTime, Session: s})
	}
	return restorer.Snapshots(func(string) diff.Watch { return diff.Watch{Since: testTime.Add(-time.Hour)} })[testKey]
}

// pageAnswer is what the answer to a page says of its sessions.
type pageAnswer struct {
	sessions string // their ids
	settled  bool
	order    string // newest first, unordered, or neither
}

func pageAnswerOf(a schedule.Answer) pageAnswer {
	var ids []string
	for _, s := range a.Sessions {
		ids = append(ids, s.SessionID)
	}
	return pageAnswer{strings.Join(ids, " "), a.Settled, map[[2]bool]string{{true, false}: "newest first", {false, true}: "unordered", {true, true}: "both"}[[2]bool{a.NewestFirst, a.Unordered}]}
}

// What the pages of a listing say of a worker whose session a is open and whose sessions b and c have ended, as far as is
// known. The session h ended before the watch began.
func TestAnswersOfAListing(t *testing.T) {
	snapshot := rememberingEnded([]string{"a"}, "b", "c")
	for name, c := range map[string]struct {
		snapshot diff.Snapshot
		pages    [][]string
		want     []pageAnswer
	}{
		"nothing":               {snapshot, [][]string{{}}, []pageAnswer{{}}},
		"an empty page":         {snapshot, [][]string{{}, {"-b@2", "-c@1"}}, []pageAnswer{{}, {settled: true, order: "newest first"}}},
		"all have ended":        {snapshot, [][]string{{"-b@2", "-c@1"}}, []pageAnswer{{settled: true, order: "newest first"}}},
		"new after long":        {diff.Snapshot{}, [][]string{{"-d@-90000"}}, []pageAnswer{{sessions: "d"}}},
		"history":               {snapshot, [][]string{{"-b@2", "-h@-9999"}}, []pageAnswer{{settled: true, order: "newest first"}}},
		"an open one":           {snapshot, [][]string{{"a@3", "-b@2"}}, []pageAnswer{{sessions: "a", settled: true, order: "newest first"}}},
		"one has ended":         {snapshot, [][]string{{"-a@3", "-b@2"}}, []pageAnswer{{sessions: "a", settled: true, order: "newest first"}}},
		"a new one":             {snapshot, [][]string{{"-d@3", "-b@2"}}, []pageAnswer{{sessions: "d", settled: true, order: "newest first"}}},
		"new ones in each half": {snapshot, [][]string{{"-d@4", "-e@3", "-b@2", "-c@1"}, {"-d@0", "-b@0", "-c@-1"}, {"-d@-1", "-e@-1", "-c@-2"}}, []pageAnswer{{sessions: "d e", settled: true, order: "newest first"}, {sessions: "d", settled: true, order: "newest first"}, {sessions: "d e", order: "newest first"}}},
		"an old one is open":    {snapshot, [][]string{{"-b@3", "-c@2", "a@1"}}, []pageAnswer{{sessions: "a", order: "newest first"}}},
		"stale":                 {snapshot, [][]string{{"b@3"}}, []pageAnswer{{sessions: "b"}}},
		"of an unknown worker":  {diff.Snapshot{}, [][]string{{"a@3", "-b@2"}, {"-h@-9999"}}, []pageAnswer{{sessions: "a b", order: "newest first"}, {sessions: "h", order: "newest first"}}},
		"together":              {snapshot, [][]string{{"-b@2", "-c@2"}}, []pageAnswer{{settled: true}}},
		"one only":              {snapshot, [][]string{{"-b@2"}}, []pageAnswer{{settled: true}}},
		"oldest first":          {snapshot, [][]string{{"-b@1", "-c@2"}}, []pageAnswer{{settled: true, order: "unordered"}}},
		"in order over pages":   {snapshot, [][]string{{"-b@3"}, {"-c@3"}, {"-b@2"}}, []pageAnswer{{settled: true}, {settled: true}, {settled: true, order: "newest first"}}},
		"disorder over pages":   {snapshot, [][]string{{"-b@3", "-c@2"}, {"-b@3"}, {"-c@1"}}, []pageAnswer{{settled: true, order: "newest first"}, {settled: true, order: "unordered"}, {settled: true, order: "unordered"}}},
		"settled, then unknown": {snapshot, [][]string{{"-b@3"}, {"-d@2"}, {"-c@1"}}, []pageAnswer{{settled: true}, {sessions: "d", order: "newest first"}, {settled: true, order: "newest first"}}},
	} {
		a := newAssembler(Config{}.withDefaults())
		var got []pageAnswer
		for i, entries := range c.pages {
			next := fmt.Sprint("t", i)
			r := asked{page: i + 1, out: listingPage(next, entries...)}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey}, uint64(i+1))
			got = append(got, pageAnswerOf(a.read(r, knowing(c.snapshot)).Answer))
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(pageAnswer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A page that is not valid tells nothing of the order.
func TestOrderOfAPageThatIsNotValid(t *testing.T) {
	a := newAssembler(Config{}.withDefaults())
	call := schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey}
	a.read(asked{page: 1, out: listingPage("t", "-b@3", "-c@2")}.replyTo(call, 1), knowing(diff.Snapshot{}))
	bad := changed(listingPage("u", "-d@9", "-e@9"), func(s *types.WorkerSessionSummary) { s.JobId = nil })
	if got := pageAnswerOf(a.read(asked{page: 2, out: bad}.replyTo(call, 2), knowing(diff.Snapshot{})).Answer); got != (pageAnswer{}) {
		t.Errorf("%+v", got)
	}
	if got := pageAnswerOf(a.read(asked{page: 2, out: listingPage("u", "-d@1")}.replyTo(call, 3), knowing(diff.Snapshot{})).Answer); got.order != "newest first" {
		t.Errorf("%+v", got)
	}
}

var testJob = schedule.Job{FarmID: "farm-1", QueueID: "queue-1", JobID: "job-1"}

// ours knows worker-1 and worker-2 of fleet-1; what is shown of others does not count.
func ours(one, two diff.Snapshot) known {
	return func(w diff.WorkerKey) (diff.Snapshot, bool) {
		switch w {
		case testKey:
			return one, true
		case diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-2"}:
			return two, true
		}
		return diff.Snapshot{}, false
	}
}

// What the page of a job says of its sessions, and which observations it gives of the workers that the schedule chooses. The
// session a of worker-1 is open, and b and c have ended. Of worker-2 nothing is known, and worker-3 is another's.
func TestJobPage(t *testing.T) {
	of := ours(rememberingEnded([]string{"a"}, "b", "c"), diff.Snapshot{})
	for name, c := range map[string]struct {
		entries []string
		workers []string
		want    pageAnswer
		give    []string
	}{
		"nothing": {},
		"new, open and ended ones": {
			entries: []string{"d@4/worker-2", "a@3/worker-1", "-b@2/worker-1", "e@1/worker-3"}, workers: []string{"worker-2", "worker-1"},
			want: pageAnswer{sessions: "d a", order: "newest first"}, give: []string{"worker-2 answers d:1", "worker-1 answers a:1"},
		},
		"not all are chosen":       {entries: []string{"d@4/worker-2", "-a@3/worker-1"}, workers: []string{"worker-1"}, want: pageAnswer{sessions: "d a", order: "newest first"}, give: []string{"worker-1 answers a:1"}},
		"none is chosen":           {entries: []string{"d@4/worker-2"}, want: pageAnswer{sessions: "d"}},
		"several of a worker":      {entries: []string{"d@4/worker-1", "e@4/worker-2", "f@4/worker-1"}, workers: []string{"worker-1"}, want: pageAnswer{sessions: "d e f"}, give: []string{"worker-1 answers d:1 f:1"}},
		"all have ended":           {entries: []string{"-b@2/worker-1", "-c@1/worker-1"}, want: pageAnswer{settled: true, order: "newest first"}},
		"another's is chosen":      {entries: []string{"e@1/worker-3"}, workers: []string{"worker-3"}, give: []string{"worker-3 answers"}},
		"one of another has ended": {entries: []string{"-b@2/worker-1", "-e@1/worker-3"}, want: pageAnswer{settled: true, order: "newest first"}},
		"one of another is open":   {entries: []string{"-b@2/worker-1", "e@1/worker-3"}, want: pageAnswer{order: "newest first"}},
		"an unknown end":           {entries: []string{"-e@1/worker-2"}, workers: []string{"worker-2"}, want: pageAnswer{sessions: "e"}, give: []string{"worker-2 answers e:1"}},
		"one that ended long ago":  {entries: []string{"-e@-90000/worker-2", "-f@-90001/worker-1"}, workers: []string{"worker-2"}, want: pageAnswer{settled: true, order: "newest first"}, give: []string{"worker-2 answers"}},
		"the late end of an open one": {
			entries: []string{"-a@-90000/worker-1"}, workers: []string{"worker-1"},
			want: pageAnswer{sessions: "a"}, give: []string{"worker-1 answers a:1"},
		},
		"one that is still open":                                {entries: []string{"e@-90000/worker-2"}, workers: []string{"worker-2"}, want: pageAnswer{sessions: "e"}, give: []string{"worker-2 answers e:1"}},
		"what is known is not kept, and committed all the same": {entries: []string{"-b@1/worker-1"}, workers: []string{"worker-1"}, want: pageAnswer{settled: true}, give: []string{"worker-1 answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			var chosen []diff.WorkerKey
			for _, id := range c.workers {
				chosen = append(chosen, diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: id})
			}
			for _, stage := range []schedule.Stage{schedule.UnderWay, schedule.Stopped, schedule.Complete} {
				a := newAssembler(Config{}.withDefaults())
				r := asked{page: 1, out: jobPage("t", c.entries...)}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessions, Job: testJob}, 1)
				rd := a.read(r, of)
				if rd.Reason != "" || rd.Next != "t" {
					t.Errorf("reason %q, next %q", rd.Reason, rd.Next)
				}
				if diff := cmp.Diff(c.want, pageAnswerOf(rd.Answer), cmp.AllowUnexported(pageAnswer{})); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				got, list := a.end(r, &rd, schedule.Outcome{Stage: stage, Workers: chosen})
				if diff := cmp.Diff(c.give, described(got)); diff != "" || list != nil {
					t.Errorf("observations (-want +got):\n%s", diff)
				}
				if kept := len(a.lists) > 0; kept != (stage == schedule.UnderWay) {
					t.Errorf("stage %v: %d lists are kept", stage, len(a.lists))
				}
			}
		})
	}
}

// A session on the page of a job is read whole.
func TestSessionOfAJob(t *testing.T) {
	out := jobPage("", "-a@1/worker-1")
	out.Sessions[0].TargetLifecycleStatus, out.Sessions[0].EndedAt = "ENDED", new(testTime.Add(2*time.Second))
	rd := newAssembler(Config{}.withDefaults()).read(asked{page: 1, out: out}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessions, Job: testJob}, 1), knowing(diff.Snapshot{}))
	want := []diff.Session{{
		WorkerKey: testKey, QueueID: "queue-1", JobID: "job-1", SessionID: "a", LifecycleStatus: "ENDED", TargetLifecycleStatus: "ENDED",
		StartedAt: testTime.Add(time.Second), EndedAt: testTime.Add(2 * time.Second),
	}}
	if diff := cmp.Diff(want, rd.Sessions); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
}

// What is wrong with a page of a job, of which nothing counts then.
func TestBadJobPages(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	with := func(change func(*types.SessionSummary)) asked {
		out := jobPage("", "a@2/worker-1", "b@1/worker-1")
		change(&out.Sessions[1])
		return asked{page: 1, out: out}
	}
	for name, c := range map[string]struct {
		asked    []asked
		reason   schedule.Reason
		notFound string
	}{
		"no list":           {[]asked{{page: 1, out: &deadline.ListSessionsOutput{}}}, schedule.NoList, ""},
		"no session id":     {[]asked{with(func(s *types.SessionSummary) { s.SessionId = nil })}, schedule.MissingField, ""},
		"no worker":         {[]asked{with(func(s *types.SessionSummary) { s.WorkerId = nil })}, schedule.MissingField, ""},
		"no fleet":          {[]asked{with(func(s *types.SessionSummary) { s.FleetId = aws.String("") })}, schedule.MissingField, ""},
		"no status":         {[]asked{with(func(s *types.SessionSummary) { s.LifecycleStatus = "" })}, schedule.MissingField, ""},
		"no start":          {[]asked{with(func(s *types.SessionSummary) { s.StartedAt = nil })}, schedule.MissingField, ""},
		"a long worker id":  {[]asked{with(func(s *types.SessionSummary) { s.WorkerId = &long })}, schedule.FieldTooLong, ""},
		"a long fleet id":   {[]asked{with(func(s *types.SessionSummary) { s.FleetId = &long })}, schedule.FieldTooLong, ""},
		"a reserved id":     {[]asked{with(func(s *types.SessionSummary) { s.SessionId = aws.String("reserved") })}, schedule.ReservedID, ""},
		"a repeated token":  {[]asked{{page: 1, out: jobPage("t", "a@1/worker-1")}, {page: 2, out: jobPage("t", "b@1/worker-1")}}, schedule.RepeatedToken, ""},
		"a lost beginning":  {[]asked{{page: 2, out: jobPage("", "a@1/worker-1")}}, schedule.Other, ""},
		"no such job":       {[]asked{{page: 1, err: notFound("job")}}, schedule.ResourceNotFound, "job"},
		"no such job later": {[]asked{{page: 1, out: jobPage("t", "a@1/worker-1")}, {page: 2, err: notFound("job")}}, schedule.ResourceNotFound, "job"},
		"no such queue": {
			[]asked{{page: 1, err: &attemptError{reason: schedule.ResourceNotFound, cause: &types.ResourceNotFoundException{Message: aws.String("no queue-1")}}}}, schedule.ResourceNotFound, "queue",
		},
		"denied":    {[]asked{{page: 1, err: failed(schedule.Denied)}}, schedule.Denied, ""},
		"cancelled": {[]asked{{page: 1, err: context.Canceled}}, schedule.Cancelled, ""},
	} {
		a := newAssembler(Config{IsReserved: func(id string) bool { return id == "reserved" }})
		var r *reply
		var rd reading
		for i, request := range c.asked {
			r = request.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessions, Job: testJob}, uint64(i+1))
			rd = a.read(r, knowing(diff.Snapshot{}))
		}
		if rd.Reason != c.reason || rd.NotFound != c.notFound || rd.Sessions != nil || rd.observed != nil {
			t.Errorf("%s: reason %q, not found %q, sessions %v", name, rd.Reason, rd.NotFound, rd.Sessions)
		}
		if got, _ := a.end(r, &rd, schedule.Outcome{Stage: schedule.Discarded}); got != nil || len(a.lists) != 0 {
			t.Errorf("%s: it gives %v, and %d lists are kept", name, described(got), len(a.lists))
		}
	}
}

// Of the lists of jobs that the schedule gives up without a word nothing is left: a new list of the same job replaces an old
// one, and others are dropped when their last page arrived long ago. Disowning a shard gives nothing of them.
func TestListsOfJobsThatAreGivenUp(t *testing.T) {
	a := newAssembler(Config{}.withDefaults())
	for number, job := range []string{"job-1", "job-2", "job-1", "job-3", "job-4"} {
		c := schedule.Call{List: uint64(number), Kind: schedule.ListSessions, Job: schedule.Job{FarmID: "farm-1", QueueID: "queue-1", JobID: job}}
		a.read(asked{page: 1, out: jobPage("t", "a@1/worker-1")}.replyTo(c, uint64(number*1800)), knowing(diff.Snapshot{}))
	}
	if a.lists[0] != nil || len(a.lists) != 4 {
		t.Errorf("%d lists are kept", len(a.lists))
	}
	if got := a.stop(0, nil); got != nil {
		t.Errorf("a shard is given %v", described(got))
	}
	a.keep(nil, func(*list) bool { return false })
	a.forgetJobs(map[uint64]bool{1: true}, testTime.Add(7201*time.Second))
	if a.lists[1] == nil || a.lists[2] != nil || a.lists[3] == nil || a.lists[4] == nil {
		t.Errorf("%d lists are kept, want the one in flight and the two that are less than an hour old", len(a.lists))
	}
}
