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

var (
	testKey  = diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}
	testTime = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// asked is a request of a test with what comes back: the SDK's output or an error.
type asked struct {
	page int // of a list
	out  any
	err  error
}

// replyTo returns the reply to the request with a number, by which its times and ticks are told.
func (a asked) replyTo(c schedule.Call, number uint64) *reply {
	sent := testTime.Add(time.Duration(number) * time.Second)
	c.Number, c.Page = number, a.page
	return &reply{
		call: c, out: a.out, err: a.err, date: sent,
		Exchange: diff.Exchange{Sent: sent, Arrived: sent.Add(time.Millisecond), SentTick: 2 * number, ArrivedTick: 2*number + 1},
	}
}

// knowing knows the same of every worker.
func knowing(s diff.Snapshot) known {
	return func(diff.WorkerKey) (diff.Snapshot, bool) { return s, true }
}

// sessionsPage is a page of ListSessionsForWorker. A session that begins with - has ended.
func sessionsPage(next string, ids ...string) *deadline.ListSessionsForWorkerOutput {
	out := &deadline.ListSessionsForWorkerOutput{Sessions: []types.WorkerSessionSummary{}}
	if next != "" {
		out.NextToken = &next
	}
	for _, id := range ids {
		id, ended := strings.CutPrefix(id, "-")
		s := types.WorkerSessionSummary{SessionId: &id, QueueId: aws.String("queue-1"), JobId: aws.String("job-1"), LifecycleStatus: "STARTED", StartedAt: &testTime}
		if ended {
			s.LifecycleStatus, s.EndedAt = "ENDED", &testTime
		}
		out.Sessions = append(out.Sessions, s)
	}
	return out
}

// changed changes the last session of a page.
func changed(out *deadline.ListSessionsForWorkerOutput, change func(*types.WorkerSessionSummary)) *deadline.ListSessionsForWorkerOutput {
	change(&out.Sessions[len(out.Sessions)-1])
	return out
}

func failed(reason schedule.Reason) error {
	return &attemptError{reason: reason, cause: context.DeadlineExceeded}
}

func notFound(kind string) error {
	return &attemptError{reason: schedule.ResourceNotFound, cause: &types.ResourceNotFoundException{ResourceType: aws.String(kind), Message: aws.String("x")}}
}

// described is an observation in short: its source, and which request has shown which session.
func described(all []diff.Observation) (words []string) {
	for _, o := range all {
		text := fmt.Sprintf("%s %s", o.Worker.WorkerID, map[diff.Source]string{diff.CompleteListing: "listing", diff.Answers: "answers", diff.NoSuchWorker: "gone"}[o.Source])
		if o.FirstRequest.SentTick > 0 {
			text += fmt.Sprintf(" from %d", o.FirstRequest.SentTick/2)
		}
		if !o.Date.IsZero() {
			text += fmt.Sprintf(" at %d", int(o.Date.Sub(testTime).Seconds()))
		}
		if o.Pages > 0 {
			text += fmt.Sprintf(" pages %d", o.Pages)
		}
		for _, s := range o.Sightings {
			text += fmt.Sprintf(" %s:%d", s.Session.SessionID, s.SentTick/2)
		}
		for _, n := range o.NotFound {
			text += fmt.Sprintf(" no %s:%d", n.SessionID, n.SentTick/2)
			if !n.MissingAt.IsZero() {
				text += " missing"
			}
		}
		words = append(words, text)
	}
	return words
}

// What the requests for one listing come to. The schedule is played by the test: a listing goes on until it is complete or
// fails for a reason after which the schedule discards it. A throttled request and a timeout are asked for again.
func TestListingIsAssembled(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	for name, c := range map[string]struct {
		asked    []asked
		reason   schedule.Reason // of the last answer
		notFound string          // in the last answer
		outcome  schedule.Outcome
		want     []string
	}{
		"empty":     {asked: []asked{{page: 1, out: sessionsPage("")}}, outcome: schedule.Outcome{Stage: schedule.Complete}, want: []string{"worker-1 listing from 1 at 1 pages 1"}},
		"two pages": {asked: []asked{{page: 1, out: sessionsPage("t", "a", "b")}, {page: 2, out: sessionsPage("", "b", "c")}}, outcome: schedule.Outcome{Stage: schedule.Complete}, want: []string{"worker-1 listing from 1 at 1 pages 2 a:1 b:1 b:2 c:2"}},
		"a page is throttled, then times out": {
			asked:   []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, err: failed(schedule.Throttled)}, {page: 2, err: failed(schedule.Timeout)}, {page: 2, out: sessionsPage("", "b")}},
			outcome: schedule.Outcome{Stage: schedule.Complete}, want: []string{"worker-1 listing from 1 at 1 pages 2 a:1 b:4"},
		},
		"the first request fails": {
			asked: []asked{{page: 1, err: failed(schedule.ServerError)}, {page: 1, out: sessionsPage("", "a")}}, outcome: schedule.Outcome{Stage: schedule.Complete},
			want: []string{"worker-1 listing from 2 at 2 pages 1 a:2"},
		},
		"no list":          {asked: []asked{{page: 1, out: &deadline.ListSessionsForWorkerOutput{}}}, reason: schedule.NoList, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"no list later":    {asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, out: &deadline.ListSessionsForWorkerOutput{}}}, reason: schedule.NoList, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"a missing field":  {asked: []asked{{page: 1, out: changed(sessionsPage("", "a", "b"), func(s *types.WorkerSessionSummary) { s.JobId = nil })}}, reason: schedule.MissingField, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"no start":         {asked: []asked{{page: 1, out: changed(sessionsPage("", "a"), func(s *types.WorkerSessionSummary) { s.StartedAt = nil })}}, reason: schedule.MissingField, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"a long field":     {asked: []asked{{page: 1, out: changed(sessionsPage("", "a"), func(s *types.WorkerSessionSummary) { s.QueueId = &long })}}, reason: schedule.FieldTooLong, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"a reserved id":    {asked: []asked{{page: 1, out: sessionsPage("", "reserved")}}, reason: schedule.ReservedID, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"a repeated token": {asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, out: sessionsPage("u", "b")}, {page: 3, out: sessionsPage("t", "c")}}, reason: schedule.RepeatedToken, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"a denied page":    {asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, err: failed(schedule.Denied)}}, reason: schedule.Denied, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"too many pages":   {asked: []asked{{page: 1, out: sessionsPage("t", "a")}}, outcome: schedule.Outcome{Stage: schedule.Discarded, Reason: schedule.TooManyPages}},
		"a lost beginning": {asked: []asked{{page: 2, out: sessionsPage("", "a")}}, reason: schedule.Other, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"no worker":        {asked: []asked{{page: 1, err: notFound("worker")}}, reason: schedule.ResourceNotFound, notFound: "worker", outcome: schedule.Outcome{Stage: schedule.Complete, NoSuchWorker: true}, want: []string{"worker-1 gone from 1 at 1"}},
		"no fleet":         {asked: []asked{{page: 1, err: notFound("fleet")}}, reason: schedule.ResourceNotFound, notFound: "fleet", outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"gone meanwhile":   {asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, err: notFound("worker")}}, reason: schedule.ResourceNotFound, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"cancelled": {
			asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, err: context.Canceled}}, reason: schedule.Cancelled,
			outcome: schedule.Outcome{Stage: schedule.Discarded, Reason: schedule.Cancelled}, want: []string{"worker-1 answers a:1"},
		},
		"stopped": {
			asked:   []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, out: sessionsPage("u", "-b")}},
			outcome: schedule.Outcome{Stage: schedule.Stopped}, want: []string{"worker-1 answers a:1 b:2"},
		},
		"stopped, and there is no session":   {asked: []asked{{page: 1, out: sessionsPage("t")}}, outcome: schedule.Outcome{Stage: schedule.Stopped}, want: []string{"worker-1 answers"}},
		"stopped, and the last page is lost": {asked: []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, err: failed(schedule.Timeout)}}, reason: schedule.Timeout, outcome: schedule.Outcome{Stage: schedule.Stopped}, want: []string{"worker-1 answers a:1"}},
		"cancelled at once":                  {asked: []asked{{page: 1, err: context.Canceled}}, reason: schedule.Cancelled, outcome: schedule.Outcome{Stage: schedule.Discarded}},
		"disowned, and a page has arrived": {
			asked:   []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, out: sessionsPage("u", "b")}},
			outcome: schedule.Outcome{Stage: schedule.Discarded, Reason: schedule.Cancelled, Ignored: true}, want: []string{"worker-1 answers a:1 b:2"},
		},
		"disowned, and the page is not valid": {
			asked:  []asked{{page: 1, out: sessionsPage("t", "a")}, {page: 2, out: changed(sessionsPage("", "b", "c"), func(s *types.WorkerSessionSummary) { s.JobId = nil })}},
			reason: schedule.MissingField, outcome: schedule.Outcome{Stage: schedule.Discarded, Ignored: true}, want: []string{"worker-1 answers a:1"},
		},
		"disowned, and the last page has arrived": {
			asked: []asked{{page: 1, out: sessionsPage("", "a")}}, outcome: schedule.Outcome{Stage: schedule.Complete, Ignored: true}, want: []string{"worker-1 listing from 1 at 1 pages 1 a:1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAssembler(Config{IsReserved: func(id string) bool { return id == "reserved" }})
			for i, request := range c.asked {
				r := request.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey, Shards: []int{0}}, uint64(i+1))
				rd := a.read(r, knowing(diff.Snapshot{}))
				if i+1 < len(c.asked) {
					if got, _ := a.end(r, &rd, schedule.Outcome{Stage: schedule.UnderWay}); got != nil {
						t.Errorf("request %d gives %v", i+1, described(got))
					}
					continue
				}
				if rd.Reason != c.reason || rd.NotFound != c.notFound || (rd.err == nil) != (c.reason == "") {
					t.Errorf("the last answer: reason %q (%v), not found %q", rd.Reason, rd.err, rd.NotFound)
				}
				got, list := a.end(r, &rd, c.outcome)
				if diff := cmp.Diff(c.want, described(got)); diff != "" || list != nil {
					t.Errorf("observations (-want +got):\n%s", diff)
				}
			}
			if len(a.lists) != 0 {
				t.Errorf("%d lists are kept", len(a.lists))
			}
		})
	}
}

// The answer to a page has its token, and a session as a sample, an open one if there is one.
func TestAnswerOfAPage(t *testing.T) {
	for name, c := range map[string]struct {
		page         *deadline.ListSessionsForWorkerOutput
		next, sample string
	}{
		"no session":          {sessionsPage("t"), "t", ""},
		"an ended session":    {sessionsPage("", "-a", "-b"), "", "a"},
		"an open one as well": {sessionsPage("u", "-a", "b"), "u", "b"},
	} {
		r := asked{page: 1, out: c.page}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey}, 1)
		r.retryAfter = time.Second
		got := newAssembler(Config{}.withDefaults()).read(r, knowing(diff.Snapshot{})).Answer
		if got.Next != c.next || got.Sample.SessionID != c.sample || !got.Sent.Equal(r.Sent) || !got.HasDate || got.RetryAfter != time.Second {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Sessions that the snapshot has as ended are not kept.
func TestListingIsCondensed(t *testing.T) {
	restorer := diff.NewRestorer()
	restorer.Put(diff.Record{Sequence: 2, Seen: testTime, Session: diff.Session{
		WorkerKey: testKey, QueueID: "queue-1", JobID: "job-1", SessionID: "a", LifecycleStatus: "ENDED", StartedAt: testTime, EndedAt: testTime,
	}})
	known := restorer.Snapshots(func(string) diff.Watch { return diff.Watch{Since: testTime.Add(-time.Hour)} })[testKey]
	a := newAssembler(Config{}.withDefaults())
	r := asked{page: 1, out: sessionsPage("", "-a", "b")}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey}, 1)
	rd := a.read(r, knowing(known))
	got, _ := a.end(r, &rd, schedule.Outcome{Stage: schedule.Complete})
	if words := described(got); len(words) != 1 || words[0] != "worker-1 listing from 1 at 1 pages 1 b:1" {
		t.Errorf("%v", words)
	}
	if c := diff.Between(known, got[0]); len(c.Events) != 1 || c.Absences != nil {
		t.Errorf("%+v", c)
	}
}

// A listing that is stopped at a page of sessions that the snapshot has as ended is an observation, although none is kept: it
// takes back that a listing lacked one of them.
func TestStoppedListingIsCondensed(t *testing.T) {
	snapshot := rememberingEnded(nil, "a", "b")
	lacking := diff.Observation{Worker: testKey, Source: diff.CompleteListing, FirstRequest: diff.Exchange{Sent: testTime, SentTick: 1, ArrivedTick: 2}, Date: testTime, Pages: 1}
	snapshot = diff.Apply(snapshot, diff.Between(snapshot, lacking))
	a := newAssembler(Config{}.withDefaults())
	r := asked{page: 1, out: sessionsPage("t", "-a")}.replyTo(schedule.Call{List: 1, Kind: schedule.ListSessionsForWorker, Worker: testKey}, 5)
	rd := a.read(r, knowing(snapshot))
	got, _ := a.end(r, &rd, schedule.Outcome{Stage: schedule.Stopped})
	if words := described(got); len(words) != 1 || words[0] != "worker-1 answers" {
		t.Fatalf("%v", words)
	}
	c := diff.Between(snapshot, got[0])
	if c.Absences == nil || len(c.Absences.Marks) != 1 || len(c.Absences.Marks[0].Sessions) != 1 || c.Absences.Marks[0].Sessions[0] != "b" {
		t.Errorf("%+v", c)
	}
}

// Listings that wait for their next page are stopped with their shard, and others are not.
func TestListingsAreStopped(t *testing.T) {
	a := newAssembler(Config{}.withDefaults())
	for i, shard := range []int{0, 1, 0, 0} {
		c := schedule.Call{List: uint64(i), Kind: schedule.ListSessionsForWorker, Worker: testKey, Shards: []int{shard}}
		var ids []string
		if i != 3 {
			ids = []string{fmt.Sprint("session-", i)}
		}
		a.read(asked{page: 1, out: sessionsPage("t", ids...)}.replyTo(c, uint64(i)), knowing(diff.Snapshot{}))
	}
	got := described(a.stop(0, map[uint64]bool{2: true}))
	if diff := cmp.Diff([]string{"worker-1 answers session-0:0"}, got); diff != "" || len(a.lists) != 2 || a.lists[1] == nil || a.lists[2] == nil {
		t.Errorf("%d lists are kept; the others give (-want +got):\n%s", len(a.lists), diff)
	}
}
