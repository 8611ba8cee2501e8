package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

// scenario is a farm with one worker, one session and a clock of the test.
type scenario struct {
	t       *testing.T
	clock   *farmtest.Clock
	srv     *farmtest.Server
	client  *deadline.Client
	session *farmtest.Session
}

func newScenario(t *testing.T, faults ...farmtest.Fault) *scenario {
	s := &scenario{t: t, clock: farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	s.srv = start(t, farmtest.Config{Clock: s.clock, Skew: time.Hour})
	s.client = newClient(t, s.srv)
	s.session = s.srv.Cloud().AddFarm("f").AddFleet("render").AddWorker().StartSession(nil)
	s.wait(time.Hour)
	s.srv.SetFaults(faults...)
	return s
}

func (s *scenario) wait(d time.Duration) { s.clock.Set(s.clock.Now().Add(d)) }

// show returns what a listing and BatchGetSession show of the session. Both must be equal.
func (s *scenario) show() shown {
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
		return shown{}
	}
	if d := cmp.Diff(shownSummary(list.Sessions[0]), shownItem(batch.Sessions[0])); d != "" {
		s.t.Fatalf("ListSessionsForWorker and BatchGetSession differ:\n%s", d)
	}
	return shownSummary(list.Sessions[0])
}

func (s *scenario) expect(when string, want shown) {
	s.t.Helper()
	if d := cmp.Diff(want, s.show()); d != "" {
		s.t.Errorf("%s (-want +got):\n%s", when, d)
	}
}

func TestLateShow(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.LateShow, Delay: time.Minute})
	s.session.SetTarget()
	changed := s.clock.Now()
	s.expect("before it is shown", shown{Status: "STARTED"})
	if n := len(s.session.Truth().States); n != 1 {
		t.Errorf("%d states in the truth before the second is shown", n)
	}
	s.wait(time.Minute)
	s.expect("after", shown{Status: "STARTED", Target: "ENDED"})
	st := s.session.Truth().States[1]
	if late := st.Shown.Sub(changed); late <= 0 || late > time.Minute || !st.At.Equal(changed.Add(time.Hour)) {
		t.Errorf("at %v, shown %v later", st.At, late)
	}
	s.clock.Set(st.Shown) // does nothing: the clock never goes back
}

func TestStaleEnds(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.StaleEnds, Delay: time.Nanosecond})
	s.session.Update("UPDATE_IN_PROGRESS")
	s.wait(time.Minute)
	s.expect("statuses are fresh", shown{Status: "UPDATE_IN_PROGRESS"})
	if at := s.session.Truth().IncompleteUntil; at != nil {
		t.Errorf("nothing was hidden, but the truth says at %v", at)
	}
	s.session.End()
	s.expect("stale end", shown{Status: "UPDATE_IN_PROGRESS"})
	if at := s.session.Truth().IncompleteUntil; at == nil || !at.Equal(s.clock.Now()) {
		t.Errorf("hidden at %v", at)
	}
	s.wait(time.Second)
	s.expect("later", shown{Status: "ENDED", EndedAt: *s.session.Truth().EndedAt})
}

func TestStaleStatuses(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.StaleStatuses, Delay: time.Nanosecond})
	s.session.SetTarget()
	s.expect("stale target", shown{Status: "STARTED"})
	s.wait(time.Second)
	s.expect("later", shown{Status: "STARTED", Target: "ENDED"})
	s.session.End()
	s.expect("ends are fresh", shown{Status: "ENDED", Target: "ENDED", EndedAt: *s.session.Truth().EndedAt})
	s.session = s.session.Worker().StartSession(nil)
	if out, err := s.client.BatchGetSession(t.Context(), batchInput(s.session)); err != nil || len(out.Errors) != 1 {
		t.Errorf("a session that just began is found: %+v, %v", out, err)
	}
}

func TestStatusAndTimeOfTheEndArriveSeparately(t *testing.T) {
	s := newScenario(t, farmtest.Fault{Kind: farmtest.EndWithoutTime, Delay: time.Minute})
	s.session.End()
	s.expect("without endedAt", shown{Status: "ENDED"})
	s.wait(time.Minute)
	ended := *s.session.Truth().EndedAt
	s.expect("with endedAt", shown{Status: "ENDED", EndedAt: ended})

	s = newScenario(t, farmtest.Fault{Kind: farmtest.EndTimeFirst, Delay: time.Minute})
	s.session.Update("UPDATE_FAILED")
	s.session.End()
	s.expect("endedAt first", shown{Status: "UPDATE_FAILED", EndedAt: ended})
	s.wait(time.Minute)
	s.expect("then ENDED", shown{Status: "ENDED", EndedAt: ended})

	s = newScenario(t, farmtest.Fault{Kind: farmtest.EndWithoutTime})
	s.session.End()
	s.wait(time.Hour)
	s.expect("forever without endedAt", shown{Status: "ENDED"})
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
		s := newScenario(t, farmtest.Fault{Kind: kind})
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
