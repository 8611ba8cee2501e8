package farmtest_test

import (
	"slices"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// statuses are what ListWorkers showed of the workers at equal distances of time.
type statuses struct {
	begin    time.Time
	step     time.Duration
	of       map[string][]string // by worker; empty while it does not exist
	sessions map[string][]farmtest.SessionTruth
}

// watchStatuses runs a timeline and asks for the statuses after each step.
func watchStatuses(t *testing.T, cfg farmtest.Config, step time.Duration, steps int) statuses {
	t.Helper()
	seen := statuses{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), step, map[string][]string{}, map[string][]farmtest.SessionTruth{}}
	cfg.Clock = farmtest.NewClock(seen.begin)
	srv := start(t, cfg)
	client := newClient(t, srv)
	farms, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
	if err != nil {
		t.Fatal(err)
	}
	fleets, err := client.ListFleets(t.Context(), &deadline.ListFleetsInput{FarmId: farms.Farms[0].FarmId})
	if err != nil {
		t.Fatal(err)
	}
	for i := range steps {
		for _, fleet := range fleets.Fleets {
			out, err := client.ListWorkers(t.Context(), &deadline.ListWorkersInput{FarmId: fleet.FarmId, FleetId: fleet.FleetId})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range out.Workers {
				all := seen.of[*w.WorkerId]
				seen.of[*w.WorkerId] = append(append(all, make([]string, i-len(all))...), string(w.Status))
			}
		}
		srv.Advance(seen.begin.Add(time.Duration(i+1) * step))
	}
	for _, s := range srv.Cloud().Truth() {
		if s.EndedAt != nil && s.EndedAt.Before(seen.begin) {
			continue
		}
		seen.sessions[s.WorkerID] = append(seen.sessions[s.WorkerID], s)
	}
	return seen
}

// at returns the time of an index.
func (seen *statuses) at(i int) time.Time { return seen.begin.Add(time.Duration(i) * seen.step) }

// open reports whether a session of the worker was open from the time from until the time to, or ended at most
// survives before to.
func (seen *statuses) open(worker string, from, to time.Time, survives time.Duration) bool {
	return slices.ContainsFunc(seen.sessions[worker], func(s farmtest.SessionTruth) bool {
		last := s.States[len(s.States)-1]
		ended := last.LifecycleStatus == "ENDED" && last.Shown.Before(to.Add(-survives))
		return !s.States[0].Shown.After(from) && !ended
	})
}

// phase returns the index, modulo the steps of a heartbeat, at which all the changes of a worker's status between RUNNING
// and IDLE were first seen. It returns -1 if there were none, and false if there were several.
func phase(of []string, steps int) (int, bool) {
	found := -1
	for i := 1; i < len(of); i++ {
		if of[i] == of[i-1] || of[i] != farmtest.WorkerIdle && of[i] != farmtest.WorkerRunning || of[i-1] == "" {
			continue
		}
		if found >= 0 && found != i%steps {
			return 0, false
		}
		found = i % steps
	}
	return found, true
}

// RUNNING and IDLE are what a worker's agent reported with its last heartbeat, and each agent has its own phase. What the
// service itself says of a worker shows at once.
func TestStatusesFollowSessionsWithTheHeartbeat(t *testing.T) {
	for _, speed := range []float64{1, 20} {
		cfg := farmtest.Config{
			Seed: 3, Workers: 60, Sessions: 20, MeanSession: 40 * time.Second, Speed: speed, Churn: 0.2 * speed, Grace: time.Second,
		}
		second := time.Duration(float64(time.Second) / speed)
		const steps = 15
		seen := watchStatuses(t, cfg, second, 900)
		seen.checkReports(t, steps, 5*second)
		seen.checkServiceStatuses(t, steps)
	}
}

// checkReports compares the statuses RUNNING and IDLE with the sessions at the last heartbeat.
func (seen *statuses) checkReports(t *testing.T, steps int, survives time.Duration) {
	phases, counts := map[int]bool{}, map[string]int{}
	for worker, of := range seen.of {
		if of[0] == farmtest.WorkerIdle && seen.open(worker, seen.begin, seen.begin, 0) {
			t.Errorf("%s is IDLE at the start, with a session", worker)
		}
		beat, one := phase(of, steps)
		if !one {
			t.Errorf("%s changes between heartbeats: %v", worker, of)
		}
		if beat < 0 || !one {
			continue
		}
		phases[beat] = true
		for i := beat; i < len(of); i += steps {
			counts[of[i]]++
			switch {
			case i == 0:
			case of[i] == farmtest.WorkerRunning && !seen.open(worker, seen.at(i), seen.at(i-1), survives):
				t.Errorf("%s is RUNNING at %d without a session", worker, i)
			case of[i] == farmtest.WorkerIdle && seen.open(worker, seen.at(i-1), seen.at(i), survives-time.Millisecond):
				t.Errorf("%s is IDLE at %d, with a session", worker, i)
			}
		}
	}
	if len(phases) < 10 || counts[farmtest.WorkerIdle] < 200 || counts[farmtest.WorkerRunning] < 200 {
		t.Errorf("%d phases, %v: too few to say", len(phases), counts)
	}
}

// checkServiceStatuses checks that statuses that are not the agent's begin between heartbeats, too.
func (seen *statuses) checkServiceStatuses(t *testing.T, steps int) {
	between := map[string]int{}
	for _, of := range seen.of {
		beat, _ := phase(of, steps)
		for i, status := range of {
			if i > 0 && beat >= 0 && status != of[i-1] && i%steps != beat {
				between[status]++
			}
		}
	}
	for _, status := range []string{farmtest.WorkerCreated, farmtest.WorkerStarted, farmtest.WorkerStopping, farmtest.WorkerNotResponding} {
		if between[status] == 0 {
			t.Errorf("%s never began between heartbeats", status)
		}
	}
}

// Without heartbeats the status always says whether there is a session.
func TestStatusesWithoutHeartbeats(t *testing.T) {
	cfg := farmtest.Config{Seed: 3, Workers: 40, Sessions: 15, MeanSession: 40 * time.Second, Heartbeat: -1}
	seen := watchStatuses(t, cfg, time.Second, 400)
	counts := map[bool]int{}
	for worker, of := range seen.of {
		for i, status := range of {
			if status != farmtest.WorkerIdle && status != farmtest.WorkerRunning {
				continue
			}
			open := seen.open(worker, seen.at(i), seen.at(i).Add(time.Nanosecond), 0)
			if counts[open]++; open != (status == farmtest.WorkerRunning) {
				t.Errorf("%s is %s at %d, open %v", worker, status, i, open)
			}
		}
	}
	if counts[true] < 200 || counts[false] < 200 {
		t.Errorf("checked %v: too few", counts)
	}
}

// A test's own statuses show at once, whatever the heartbeat.
func TestSetStatusIsImmediate(t *testing.T) {
	srv := start(t, farmtest.Config{Clock: farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))})
	client := newClient(t, srv)
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	for _, want := range []string{"RUNNING", "NOT_COMPATIBLE", "IDLE"} {
		worker.SetStatus(want)
		out, err := client.BatchGetWorker(t.Context(), workersInput(worker))
		if err != nil {
			t.Fatal(err)
		}
		if got := out.Workers[0]; string(got.Status) != want || !aws.ToTime(got.UpdatedAt).Equal(srv.Now()) {
			t.Errorf("%s since %v, want %s", got.Status, got.UpdatedAt, want)
		}
	}
}
