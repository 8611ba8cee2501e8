package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

// stage is a farm with one worker, one session and an owned clock.
type stage struct {
	t       *testing.T
	clock   *farmtest.Clock
	srv     *farmtest.Server
	client  *deadline.Client
	session *farmtest.Session
}

func newStage(t *testing.T, faults ...farmtest.Fault) *stage {
	s := &stage{t: t, clock: farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	s.srv = start(t, farmtest.Config{Clock: s.clock, Skew: time.Hour})
	s.client = newClient(t, s.srv)
	s.session = s.srv.Cloud().AddFarm("f").AddFleet("render").AddWorker().StartSession(nil)
	s.wait(time.Hour)
	s.srv.SetFaults(faults...)
	return s
}

func (s *stage) wait(d time.Duration) { s.clock.Set(s.clock.Now().Add(d)) }

// see returns the session as a listing, BatchGetSession and GetSession show it; they must agree.
func (s *stage) see() seen {
	s.t.Helper()
	list, err := s.client.ListSessionsForWorker(s.t.Context(), listInput(s.session.Worker()))
	if err != nil {
		s.t.Fatal(err)
	}
	batch, err := s.client.BatchGetSession(s.t.Context(), batchInput(s.session))
	if err != nil {
		s.t.Fatal(err)
	}
	if len(list.Sessions) != len(batch.Sessions) {
		s.t.Fatalf("listed %d, found %d", len(list.Sessions), len(batch.Sessions))
	}
	if len(list.Sessions) == 0 {
		return seen{}
	}
	if d := cmp.Diff(seenSummary(list.Sessions[0]), seenItem(batch.Sessions[0])); d != "" {
		s.t.Fatalf("listing and answer differ:\n%s", d)
	}
	return seenSummary(list.Sessions[0])
}

func (s *stage) expect(when string, want seen) {
	s.t.Helper()
	if d := cmp.Diff(want, s.see()); d != "" {
		s.t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

func TestLateShow(t *testing.T) {
	s := newStage(t, farmtest.Fault{Kind: farmtest.LateShow, Delay: time.Minute})
	s.session.SetTarget()
	changed := s.clock.Now()
	s.expect("before it is shown", seen{Status: "STARTED"})
	if n := len(s.session.Truth().States); n != 1 {
		t.Errorf("%d states in the truth before the second is shown", n)
	}
	s.wait(time.Minute)
	s.expect("after", seen{Status: "STARTED", Target: "ENDED"})
	st := s.session.Truth().States[1]
	if late := st.Shown.Sub(changed); late <= 0 || late > time.Minute || !st.At.Equal(changed.Add(time.Hour)) {
		t.Errorf("at %v, shown %v later", st.At, late)
	}
	s.clock.Set(st.Shown) // no way back: the clock stands a minute after
}

func TestStaleEnds(t *testing.T) {
	s := newStage(t, farmtest.Fault{Kind: farmtest.StaleEnds, Delay: time.Nanosecond})
	s.session.Update("UPDATE_IN_PROGRESS")
	s.wait(time.Minute)
	s.expect("statuses are fresh", seen{Status: "UPDATE_IN_PROGRESS"})
	if at := s.session.Truth().Blurred; at != nil {
		t.Errorf("nothing was hidden, but the truth says at %v", at)
	}
	s.session.End()
	s.expect("stale end", seen{Status: "UPDATE_IN_PROGRESS"})
	if at := s.session.Truth().Blurred; at == nil || !at.Equal(s.clock.Now()) {
		t.Errorf("hidden at %v", at)
	}
	s.wait(time.Second)
	s.expect("later", seen{Status: "ENDED", EndedAt: *s.session.Truth().EndedAt})
}

func TestStaleStatuses(t *testing.T) {
	s := newStage(t, farmtest.Fault{Kind: farmtest.StaleStatuses, Delay: time.Nanosecond})
	s.session.SetTarget()
	s.expect("stale target", seen{Status: "STARTED"})
	s.wait(time.Second)
	s.expect("later", seen{Status: "STARTED", Target: "ENDED"})
	s.session.End()
	s.expect("ends are fresh", seen{Status: "ENDED", Target: "ENDED", EndedAt: *s.session.Truth().EndedAt})
	s.session = s.session.Worker().StartSession(nil)
	if out, err := s.client.BatchGetSession(t.Context(), batchInput(s.session)); err != nil || len(out.Errors) != 1 {
		t.Errorf("a session that just began is found: %+v, %v", out, err)
	}
}

func TestEndsInHalves(t *testing.T) {
	s := newStage(t, farmtest.Fault{Kind: farmtest.EndWithoutTime, Delay: time.Minute})
	s.session.End()
	s.expect("without endedAt", seen{Status: "ENDED"})
	s.wait(time.Minute)
	ended := *s.session.Truth().EndedAt
	s.expect("with endedAt", seen{Status: "ENDED", EndedAt: ended})

	s = newStage(t, farmtest.Fault{Kind: farmtest.EndTimeFirst, Delay: time.Minute})
	s.session.Update("UPDATE_FAILED")
	s.session.End()
	s.expect("endedAt first", seen{Status: "UPDATE_FAILED", EndedAt: ended})
	s.wait(time.Minute)
	s.expect("then ENDED", seen{Status: "ENDED", EndedAt: ended})

	s = newStage(t, farmtest.Fault{Kind: farmtest.EndWithoutTime})
	s.session.End()
	s.wait(time.Hour)
	s.expect("for ever without endedAt", seen{Status: "ENDED"})
}

func TestItemFaults(t *testing.T) {
	cases := map[farmtest.Kind]string{
		farmtest.ItemServerError: "InternalServerErrorException",
		farmtest.ItemInvalid:     "ValidationException",
		farmtest.ItemElsewhere:   "ResourceNotFoundException",
		farmtest.ItemUnknownCode: "ConflictException",
		farmtest.ItemOmitted:     "",
	}
	for kind, want := range cases {
		s := newStage(t, farmtest.Fault{Kind: kind})
		out, err := s.client.BatchGetSession(t.Context(), batchInput(s.session))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, e := range out.Errors {
			got = string(e.Code)
		}
		if got != want || len(out.Sessions) != 0 {
			t.Errorf("%s: got %q and %d sessions", kind, got, len(out.Sessions))
		}
		if _, err := s.client.GetSession(t.Context(), getInput(s.session)); err != nil {
			t.Errorf("%s: GetSession: %v", kind, err)
		}
	}
}
