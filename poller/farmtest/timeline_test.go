package farmtest_test

import (
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/google/go-cmp/cmp"
)

// simulate runs a timeline for d of simulated time and returns the truth.
func simulate(t *testing.T, cfg farmtest.Config, d time.Duration) []farmtest.SessionTruth {
	t.Helper()
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg.Clock = farmtest.NewClock(begin)
	srv := farmtest.New(cfg)
	defer srv.Close()
	for at := time.Duration(0); at <= d; at += 700 * time.Millisecond {
		srv.Advance(begin.Add(at))
	}
	return srv.Cloud().Truth()
}

func TestTimelineDependsOnTheSeedAlone(t *testing.T) {
	cfg := farmtest.Config{Seed: 7, Workers: 20, Speed: 60, Churn: 0.1, Grace: 20 * time.Second}
	one, other := simulate(t, cfg, 3*time.Minute), simulate(t, cfg, 3*time.Minute)
	if d := cmp.Diff(one, other); d != "" {
		t.Errorf("two runs differ:\n%s", d)
	}
	cfg.Seed = 8
	if cmp.Equal(one, simulate(t, cfg, 3*time.Minute)) {
		t.Error("another seed gives the same farm")
	}
}

// counts are the numbers of things that a realistic farm has some of.
type counts struct {
	Transitions, Short, History, Cancelled, Failed, UnknownStatus, Deleted, EndedByDeletion, Forgotten, TwoOnAWorker int
}

func count(all []farmtest.SessionTruth, begin time.Time) counts {
	var n counts
	open := map[string]farmtest.SessionTruth{}
	for _, s := range all {
		if s.EndedAt != nil && s.EndedAt.Before(begin) {
			n.History++
			continue
		}
		n.Transitions += len(s.States)
		if s.Forgotten {
			n.Forgotten++
		}
		if s.WorkerDeleted != nil {
			n.Deleted++
			if s.EndedAt != nil && !s.EndedAt.Before(s.WorkerDeleted.Truncate(time.Millisecond)) {
				n.EndedByDeletion++
			}
		}
		if last, ok := open[s.WorkerID]; ok && (last.EndedAt == nil || last.EndedAt.After(s.StartedAt)) {
			n.TwoOnAWorker++
		}
		open[s.WorkerID] = s
		for i, st := range s.States {
			switch {
			case st.LifecycleStatus == "UPDATE_FAILED":
				n.Failed++
			case st.LifecycleStatus == "MIGRATING":
				n.UnknownStatus++
			case st.LifecycleStatus == "ENDED" && st.TargetLifecycleStatus != nil:
				n.Cancelled++
			}
			if i > 0 && st.Shown.Sub(s.States[i-1].Shown) < 2*time.Second {
				n.Short++
			}
		}
	}
	return n
}

func TestTimelineIsRealistic(t *testing.T) {
	const minutes = 10
	cfg := farmtest.Config{Seed: 1, Workers: 200, Speed: 60, Churn: 0.02, Grace: 30 * time.Second, Forget: 2 * time.Minute}
	n := count(simulate(t, cfg, minutes*time.Minute), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	if rate := n.Transitions / (minutes * 60); rate < 20 || rate > 60 {
		t.Errorf("%d transitions a second", rate)
	}
	for name, got := range map[string]int{
		"short states": n.Short, "history": n.History, "cancelled": n.Cancelled, "failed updates": n.Failed,
		"unknown statuses": n.UnknownStatus, "sessions of deleted workers": n.Deleted,
		"ended by the worker's deletion": n.EndedByDeletion, "forgotten": n.Forgotten, "two on a worker": n.TwoOnAWorker,
	} {
		if got < 10 {
			t.Errorf("%s: only %d", name, got)
		}
	}
	t.Logf("%+v", n)
}

func TestSessionsOfDeletedWorkersAreForgotten(t *testing.T) {
	cfg := farmtest.Config{Seed: 1, Workers: 60, Speed: 60, Churn: 0.1, Grace: 20 * time.Second, Forget: time.Minute}
	const length = 5 * time.Minute
	horizon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(length - cfg.Forget - 2*time.Second)
	due := 0
	for _, s := range simulate(t, cfg, length) {
		if s.WorkerDeleted == nil || s.WorkerDeleted.After(horizon) {
			continue
		}
		due++
		if !s.Forgotten {
			t.Errorf("%s is known %v after its worker was deleted", s.SessionID, horizon.Sub(*s.WorkerDeleted)+cfg.Forget)
		}
	}
	if due < 20 {
		t.Errorf("only %d sessions of deleted workers", due)
	}
}

func TestTruthIsConsistent(t *testing.T) {
	cfg := farmtest.AllFaults(3)
	cfg.Workers, cfg.Speed, cfg.Churn, cfg.Grace = 60, 60, 0.2, 25*time.Second
	for _, s := range simulate(t, cfg, 8*time.Minute) {
		if s.States[0].LifecycleStatus != "STARTED" || s.States[0].EndedAt != nil {
			t.Fatalf("%s begins with %+v", s.SessionID, s.States[0])
		}
		ended := false
		for i, st := range s.States {
			if i > 0 && st.Shown.Before(s.States[i-1].Shown) {
				t.Errorf("%s: state %d is shown before the one before", s.SessionID, i)
			}
			if lead := st.At.Sub(st.Shown); lead > cfg.Skew {
				t.Errorf("%s: state %d is shown %v before it happened", s.SessionID, i, lead-cfg.Skew)
			}
			now := st.LifecycleStatus == "ENDED" || st.EndedAt != nil
			if ended && !now {
				t.Errorf("%s: open after its end", s.SessionID)
			}
			ended = now
		}
		if ended != (s.EndedAt != nil) {
			t.Errorf("%s: ended is %v, endedAt %v", s.SessionID, ended, s.EndedAt)
		}
		if s.WorkerDeleted != nil && s.StartedAt.Add(cfg.Grace-cfg.Skew).After(s.WorkerDeleted.Add(time.Millisecond)) {
			t.Errorf("%s: its worker was deleted %v after its start", s.SessionID, s.WorkerDeleted.Sub(s.StartedAt.Add(-cfg.Skew)))
		}
	}
}
