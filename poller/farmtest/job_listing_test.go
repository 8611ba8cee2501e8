package farmtest_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
)

func jobInput(j *farmtest.Job) *deadline.ListSessionsInput {
	return &deadline.ListSessionsInput{
		FarmId: aws.String(j.Farm().ID()), QueueId: aws.String(j.QueueID()), JobId: aws.String(j.ID()),
	}
}

// listJob requests at most the given number of pages of a job's sessions. It returns the pages and the tokens.
func listJob(t *testing.T, client *deadline.Client, j *farmtest.Job, pages int) (all [][]types.SessionSummary, tokens []string) {
	t.Helper()
	in := jobInput(j)
	for range pages {
		out, err := client.ListSessions(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out.Sessions)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
		tokens = append(tokens, *in.NextToken)
	}
	return all, tokens
}

func idsOf(pages [][]types.SessionSummary) []string {
	ids := []string{}
	for _, s := range slices.Concat(pages...) {
		ids = append(ids, aws.ToString(s.SessionId))
	}
	return ids
}

// jobWith returns a job with n sessions on two workers of two fleets by turns, ordered by their start.
func jobWith(srv *farmtest.Server, n int) (*farmtest.Job, []*farmtest.Session) {
	farm := srv.Cloud().AddFarm("f")
	job := farm.AddJob("")
	workers := []*farmtest.Worker{farm.AddFleet("render").AddWorker(), farm.AddFleet("spot").AddWorker()}
	var sessions []*farmtest.Session
	for i := range n {
		sessions = append(sessions, workers[i%2].StartSession(job))
	}
	return job, sessions
}

// A job's listing has the sessions of all its workers, also of deleted ones, until the service forgets them.
func TestListSessionsOfAJob(t *testing.T) {
	srv := start(t, farmtest.Config{})
	client := newClient(t, srv)
	job, sessions := jobWith(srv, 4)
	sessions[0].Worker().StartSession(nil) // of another job
	sessions[0].SetTarget()
	sessions[0].End()
	sessions[1].Update("UPDATE_IN_PROGRESS")
	sessions[2].Worker().Lose()
	sessions[3].Forget()
	pages, tokens := listJob(t, client, job, 1)
	if len(tokens) != 0 {
		t.Errorf("tokens %v", tokens)
	}
	type entry struct {
		Shown         shown
		Worker, Fleet string
		Started       time.Time
	}
	got := map[string]entry{}
	for _, s := range pages[0] {
		got[*s.SessionId] = entry{
			shown{string(s.LifecycleStatus), string(s.TargetLifecycleStatus), aws.ToTime(s.EndedAt)},
			*s.WorkerId, *s.FleetId, *s.StartedAt,
		}
	}
	want := map[string]entry{}
	for i, st := range []shown{
		{Status: "ENDED", Target: "ENDED", EndedAt: *sessions[0].Truth().EndedAt}, {Status: "UPDATE_IN_PROGRESS"}, {Status: "STARTED"},
	} {
		s := sessions[i]
		want[s.ID()] = entry{st, s.Worker().ID(), s.Worker().Fleet().ID(), s.StartedAt()}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sessions (-want +got):\n%s", d)
	}
	srv.Cloud().Delete(sessions[0].Worker().Fleet().ID())
	if pages, _ := listJob(t, client, job, 1); len(pages[0]) != 1 {
		t.Errorf("%d sessions without those of a deleted fleet, want 1", len(pages[0]))
	}
	for kind, id := range map[string]string{"queue": job.QueueID(), "farm": job.Farm().ID()} {
		srv.Cloud().Delete(id)
		_, err := client.ListSessions(t.Context(), jobInput(job))
		if status, _, detail := apiError(err); status != 404 || detail != kind+" "+id {
			t.Errorf("deleted %s: %v", kind, err)
		}
		srv.Cloud().Restore(id)
	}
	job.Delete()
	_, err := client.ListSessions(t.Context(), jobInput(job))
	if status, _, detail := apiError(err); status != 404 || detail != "job "+job.ID() {
		t.Errorf("deleted job: %v", err)
	}
}

func TestJobListingPages(t *testing.T) {
	for _, order := range []farmtest.Order{farmtest.NewestFirst, farmtest.OldestFirst, farmtest.RandomStable} {
		t.Run(strconv.Itoa(int(order)), func(t *testing.T) {
			srv := start(t, farmtest.Config{Order: order})
			job, sessions := jobWith(srv, 205)
			pages, _ := listJob(t, newClient(t, srv), job, 10)
			if len(pages) != 3 || len(pages[0]) != 100 || len(pages[2]) != 5 {
				t.Fatalf("%d pages, want 100, 100 and 5 sessions", len(pages))
			}
			var want []string
			for _, s := range sessions {
				want = append(want, s.ID())
			}
			got := idsOf(pages)
			oldest := slices.Equal(got, want)
			slices.Reverse(want)
			if newest := slices.Equal(got, want); oldest != (order == farmtest.OldestFirst) || newest != (order == farmtest.NewestFirst) {
				t.Errorf("oldest first %v, newest first %v", oldest, newest)
			}
			slices.Sort(got)
			slices.Sort(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("sessions (-want +got):\n%s", d)
			}
		})
	}
}

func TestTokensOfAJobListingThatNeverEnd(t *testing.T) {
	for kind, want := range map[farmtest.Kind]int{farmtest.RepeatedToken: 1, farmtest.TokenRing: 3, farmtest.EndlessPages: 10} {
		srv := start(t, farmtest.Config{PageSize: 2, Faults: []farmtest.Fault{{Kind: kind, Page: 1, Operation: farmtest.ListSessions}}})
		job, sessions := jobWith(srv, 5)
		client := newClient(t, srv)
		if _, tokens := listJob(t, client, job, 10); len(tokens) != 10 || distinct(tokens) != want {
			t.Errorf("%s: %d distinct tokens of %d, want %d of 10", kind, distinct(tokens), len(tokens), want)
		}
		if pages, _ := listPages(t, client, sessions[0].Worker(), 10); len(pages) != 2 {
			t.Errorf("%s: the worker's listing has %d pages, want 2", kind, len(pages))
		}
	}
}

func TestDamagedJobListings(t *testing.T) {
	srv := start(t, farmtest.Config{Seed: 5})
	job, _ := jobWith(srv, 4)
	client := newClient(t, srv)
	for kind, want := range map[farmtest.Kind]damage{
		farmtest.ListAbsent: {Absent: 1}, farmtest.ListNull: {Absent: 1}, farmtest.EmptyBody: {Absent: 1},
		farmtest.EntryNull: {Null: 1}, farmtest.EntryIncomplete: {Lacking: 1}, farmtest.EpochTime: {Failed: 1}, farmtest.UnknownFields: {},
	} {
		srv.SetFaults(farmtest.Fault{Kind: kind, Operation: farmtest.ListSessions})
		for range 10 {
			var got damage
			out, err := client.ListSessions(t.Context(), jobInput(job))
			switch {
			case err != nil:
				got.Failed++
			case out.Sessions == nil:
				got.Absent++
			default:
				for _, s := range out.Sessions {
					got.add(countTrue(s.SessionId == nil, s.WorkerId == nil, s.FleetId == nil, s.StartedAt == nil, s.LifecycleStatus == ""))
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", kind, d)
			}
		}
	}
}

func TestStaleJobListings(t *testing.T) {
	stale := func(kind farmtest.Kind) farmtest.Fault {
		return farmtest.Fault{Kind: kind, Delay: time.Nanosecond, Operation: farmtest.ListSessions}
	}
	s := newScenario(t, stale(farmtest.StaleEnds))
	status := func() (all []string) {
		pages, _ := listJob(t, s.client, s.session.Job(), 1)
		for _, one := range pages[0] {
			all = append(all, string(one.LifecycleStatus)+string(one.TargetLifecycleStatus))
		}
		return all
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, status()); d != "" {
			t.Errorf("%s (-want +got):\n%s", when, d)
		}
	}
	s.session.End()
	expect("stale end", "STARTED")
	s.expect("the worker's listing is fresh", shown{Status: "ENDED", EndedAt: *s.session.Truth().EndedAt})
	if at := s.session.Truth().IncompleteUntil; at == nil || !at.Equal(s.clock.Now()) {
		t.Errorf("hidden at %v", at)
	}
	s.wait(time.Second)
	expect("later", "ENDED")

	s = newScenario(t, stale(farmtest.StaleStatuses))
	s.session.SetTarget()
	expect("stale target", "STARTED")
	s.session.Worker().StartSession(s.session.Job())
	expect("a session that just began", "STARTED")
	s.wait(time.Second)
	expect("a second later", "STARTED", "STARTEDENDED")
}

// Missing hides sessions from a job's listing, and PagesShift skips or repeats them. Both are on record.
func TestHiddenFromAJobListing(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.Missing, Delay: time.Hour + time.Minute, Operation: farmtest.ListSessions})
	if pages, _ := listJob(t, s.client, s.session.Job(), 1); len(pages[0]) != 1 {
		t.Error("a young session is missing")
	}
	s.wait(time.Minute)
	if pages, _ := listJob(t, s.client, s.session.Job(), 1); len(pages[0]) != 0 {
		t.Error("an old session is not missing")
	}
	if at := s.session.Truth().IncompleteUntil; at == nil || !at.Equal(s.clock.Now()) {
		t.Errorf("the truth says hidden at %v", at)
	}
	if got := s.show(); got.Status != "STARTED" {
		t.Errorf("elsewhere it is shown as %+v", got)
	}
	srv := start(t, farmtest.Config{PageSize: 3, Seed: 1, Faults: []farmtest.Fault{
		{Kind: farmtest.PagesShift, Page: 2, N: 1, Operation: farmtest.ListSessions},
	}})
	job, sessions := jobWith(srv, 9)
	client := newClient(t, srv)
	lengths := map[int]int{}
	for range 30 {
		pages, _ := listJob(t, client, job, 10)
		lengths[len(idsOf(pages))]++
	}
	if lengths[8] == 0 || lengths[10] == 0 || lengths[8]+lengths[10] != 30 {
		t.Errorf("lengths %v: want one skipped or one repeated", lengths)
	}
	if hidden := countHidden(sessions); hidden != 1 {
		t.Errorf("the truth of %d sessions says that they were hidden, want one", hidden)
	}
}

// An answer of ListSessions shows a session, but is no complete listing of its worker. What it hides does not spoil one.
func TestTruthOfAJobListing(t *testing.T) {
	s := newScenario(t)
	if s.session.Truth().Listed != nil {
		t.Fatal("listed before the first request")
	}
	listJob(t, s.client, s.session.Job(), 1)
	got := s.session.Truth()
	if got.Listed == nil || !got.Listed.Equal(s.clock.Now()) || got.CompleteListings != 0 {
		t.Errorf("listed at %v, in %d complete listings", got.Listed, got.CompleteListings)
	}
	other := s.session.Worker().StartSession(nil)
	s.wait(time.Second)
	in := listInput(s.session.Worker())
	in.MaxResults = aws.Int32(1)
	first, err := s.client.ListSessionsForWorker(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	s.srv.SetFaults(farmtest.Fault{Kind: farmtest.Missing, Operation: farmtest.ListSessions})
	listJob(t, s.client, s.session.Job(), 1)
	listJob(t, s.client, other.Job(), 1)
	in.NextToken = first.NextToken
	if _, err := s.client.ListSessionsForWorker(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*farmtest.Session{s.session, other} {
		if n := one.Truth().CompleteListings; n != 1 {
			t.Errorf("%d complete listings, want 1", n)
		}
	}
}

func TestCallsNameTheJob(t *testing.T) {
	var calls []farmtest.Call
	srv := start(t, farmtest.Config{Observer: func(c farmtest.Call) { calls = append(calls, c) }})
	job, _ := jobWith(srv, 1)
	listJob(t, newClient(t, srv), job, 1)
	if c := calls[0]; c.Operation != farmtest.ListSessions || c.FarmID != job.Farm().ID() || c.QueueID != job.QueueID() ||
		c.JobID != job.ID() || c.Page != 1 || c.Outcome != farmtest.OutcomeOK {
		t.Errorf("observed %+v", c)
	}
}
