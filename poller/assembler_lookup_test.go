package poller

import (
	"testing"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
)

// openOf returns an open session of a worker of the test's fleet.
func openOf(worker, id string) diff.Session {
	w := testKey
	w.WorkerID = worker
	return diff.Session{WorkerKey: w, QueueID: "queue-1", JobID: "job-1", SessionID: id, LifecycleStatus: "STARTED", StartedAt: testTime}
}

// batchItem is an answer of BatchGetSession that shows a session as it is.
func batchItem(s diff.Session) types.BatchGetSessionItem {
	return types.BatchGetSessionItem{
		FarmId: &s.FarmID, FleetId: &s.FleetID, WorkerId: &s.WorkerID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID,
		LifecycleStatus: "STARTED", StartedAt: &testTime,
	}
}

func batchError(id string, code types.BatchGetSessionErrorCode, message string) types.BatchGetSessionError {
	return types.BatchGetSessionError{SessionId: &id, Code: code, Message: &message}
}

// What the answers of BatchGetSession and GetSession say of the sessions a and b of worker-1 and c of worker-2, and which
// observations they give if discovery confirms what is missing.
func TestLookupIsAssembled(t *testing.T) {
	a, b, c := openOf("worker-1", "session-a"), openOf("worker-1", "session-b"), openOf("worker-2", "session-c")
	const none, internal = types.BatchGetSessionErrorCodeResourceNotFoundException, types.BatchGetSessionErrorCodeInternalServerErrorException
	items := func(s ...types.BatchGetSessionItem) []types.BatchGetSessionItem { return s }
	errs := func(e ...types.BatchGetSessionError) []types.BatchGetSessionError { return e }
	other := func(change func(*types.BatchGetSessionItem)) types.BatchGetSessionItem {
		it := batchItem(a)
		change(&it)
		return it
	}
	single := func(change func(*deadline.GetSessionOutput)) *deadline.GetSessionOutput {
		out := &deadline.GetSessionOutput{SessionId: aws.String("session-a"), WorkerId: aws.String("worker-1"), LifecycleStatus: "ENDED", StartedAt: &testTime, EndedAt: &testTime}
		change(out)
		return out
	}
	type findings = map[string]schedule.Finding
	for name, tt := range map[string]struct {
		kind      schedule.Kind
		asked     asked
		reason    schedule.Reason
		findings  findings
		confirmed []string
		want      []string
	}{
		"found, of two workers": {
			asked: asked{out: &deadline.BatchGetSessionOutput{Sessions: items(batchItem(c), batchItem(a))}}, findings: findings{"session-a": schedule.Found, "session-c": schedule.Found},
			want: []string{"worker-1 answers session-a:1", "worker-2 answers session-c:1"},
		},
		"found and not found of one": {
			asked:    asked{out: &deadline.BatchGetSessionOutput{Sessions: items(batchItem(a)), Errors: errs(batchError("session-a", none, "no session-a"))}},
			findings: findings{"session-a": schedule.Found}, want: []string{"worker-1 answers session-a:1"},
		},
		"the session or the job does not exist": {
			asked:    asked{out: &deadline.BatchGetSessionOutput{Errors: errs(batchError("session-a", none, "Resource of type session with id session-a"), batchError("session-b", none, "job-1"))}},
			findings: findings{"session-a": schedule.NotFound, "session-b": schedule.NotFound}, want: []string{"worker-1 answers no session-a:1 no session-b:1"},
		},
		"what is missing is confirmed": {
			asked:    asked{out: &deadline.BatchGetSessionOutput{Errors: errs(batchError("session-a", none, "queue-1"), batchError("session-b", none, "fleet-1"), batchError("session-c", none, "farm-1"))}},
			findings: findings{"session-a": schedule.NoQueue, "session-b": schedule.NoFleet, "session-c": schedule.NoFarm}, confirmed: []string{"session-a", "session-c"},
			want: []string{"worker-1 answers no session-a:1 missing", "worker-2 answers no session-c:1 missing"},
		},
		"nothing clear": {
			asked:    asked{out: &deadline.BatchGetSessionOutput{Errors: errs(batchError("session-a", none, "?"), batchError("session-b", internal, "job-1"), batchError("x", none, "x"))}},
			findings: findings{"session-a": schedule.Unclear},
		},
		"another worker":    {asked: asked{out: &deadline.BatchGetSessionOutput{Sessions: items(other(func(it *types.BatchGetSessionItem) { it.WorkerId = aws.String("x") }))}}, findings: findings{}},
		"another queue":     {asked: asked{out: &deadline.BatchGetSessionOutput{Sessions: items(other(func(it *types.BatchGetSessionItem) { it.QueueId = aws.String("x") }))}}, findings: findings{}},
		"an incomplete one": {asked: asked{out: &deadline.BatchGetSessionOutput{Sessions: items(other(func(it *types.BatchGetSessionItem) { it.StartedAt = nil }))}}, findings: findings{}},
		"another fleet": {
			asked:    asked{out: &deadline.BatchGetSessionOutput{Sessions: items(other(func(it *types.BatchGetSessionItem) { it.FleetId = aws.String("x") }))}},
			findings: findings{"session-a": schedule.Found}, want: []string{"worker-1 answers session-a:1"},
		},
		"no list":   {asked: asked{out: &deadline.BatchGetSessionOutput{}}, reason: schedule.NoList, findings: findings{}},
		"a failure": {asked: asked{err: failed(schedule.Denied)}, reason: schedule.Denied, findings: findings{}},
		"no batch":  {asked: asked{err: notFound("session")}, reason: schedule.ResourceNotFound, findings: findings{}},

		"single":                   {kind: schedule.GetSession, asked: asked{out: single(func(*deadline.GetSessionOutput) {})}, findings: findings{"session-a": schedule.Found}, want: []string{"worker-1 answers session-a:1"}},
		"single, another session":  {kind: schedule.GetSession, asked: asked{out: single(func(o *deadline.GetSessionOutput) { o.SessionId = aws.String("session-b") })}, findings: findings{}},
		"single, without a field":  {kind: schedule.GetSession, asked: asked{out: single(func(o *deadline.GetSessionOutput) { o.SessionId = nil })}, reason: schedule.MissingField, findings: findings{}},
		"single, no session":       {kind: schedule.GetSession, asked: asked{err: notFound("session")}, reason: schedule.ResourceNotFound, findings: findings{"session-a": schedule.NotFound}, want: []string{"worker-1 answers no session-a:1"}},
		"single, no queue":         {kind: schedule.GetSession, asked: asked{err: notFound("queue")}, reason: schedule.ResourceNotFound, findings: findings{"session-a": schedule.NoQueue}},
		"single, no farm for sure": {kind: schedule.GetSession, asked: asked{err: notFound("farm")}, reason: schedule.ResourceNotFound, findings: findings{"session-a": schedule.NoFarm}, confirmed: []string{"session-a"}, want: []string{"worker-1 answers no session-a:1 missing"}},
		"single, no worker":        {kind: schedule.GetSession, asked: asked{err: notFound("worker")}, reason: schedule.ResourceNotFound, findings: findings{}},
		"single, denied":           {kind: schedule.GetSession, asked: asked{err: failed(schedule.Denied)}, reason: schedule.Denied, findings: findings{}},
	} {
		t.Run(name, func(t *testing.T) {
			call := schedule.Call{Kind: schedule.BatchGetSession, Sessions: []diff.Session{a, b, c}}
			if tt.kind == schedule.GetSession {
				call = schedule.Call{Kind: schedule.GetSession, Sessions: []diff.Session{a}}
			}
			assembler := newAssembler(Config{}.withDefaults())
			r := tt.asked.replyTo(call, 1)
			rd := assembler.read(r, knowing(diff.Snapshot{}))
			if rd.Reason != tt.reason {
				t.Errorf("reason %q, want %q", rd.Reason, tt.reason)
			}
			found := 0
			for _, s := range rd.Sessions {
				if rd.Findings[s.SessionID] == schedule.Found && s.HasEnded() == (tt.kind == schedule.GetSession) {
					found++
				}
			}
			for _, finding := range tt.findings {
				if finding == schedule.Found {
					found--
				}
			}
			if found != 0 {
				t.Errorf("the sessions are %v", rd.Sessions)
			}
			if diff := cmp.Diff(tt.findings, rd.Findings); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if got, _ := assembler.end(r, &rd, schedule.Outcome{Stage: schedule.UnderWay, Confirmed: tt.confirmed}); got != nil {
				t.Errorf("a lookup that is sent again gives %v", described(got))
			}
			got, _ := assembler.end(r, &rd, schedule.Outcome{Stage: schedule.Complete, Confirmed: tt.confirmed})
			if diff := cmp.Diff(tt.want, described(got)); diff != "" {
				t.Errorf("observations (-want +got):\n%s", diff)
			}
		})
	}
}
