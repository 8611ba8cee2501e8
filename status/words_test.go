package status_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"farmwire/status"
)

// moment is when the reports of these tests were made.
var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// running returns the report of an instance that is ready, with a change.
func running(change func(*status.Report)) status.Report {
	r := status.Report{
		At:     moment,
		Region: "eu-west-1",
		Stage:  status.Running,
		Group:  status.Group{Joined: true},
		Shards: []status.Shard{followed(0)},
		Polling: status.Polling{Phase: status.Started, Answered: true, FarmShown: true, Targets: 3, Farms: 1, Fleets: 1, Workers: 4, Watched: 4,
			Budget: status.Budget{Rate: 10, Staleness: 15 * time.Second}},
	}
	change(&r)
	return r
}

// followed returns a shard that has been followed for an hour.
func followed(number int) status.Shard {
	return status.Shard{Number: number, State: status.Followed, Since: moment.Add(-time.Hour), Committed: moment.Add(-20 * time.Second)}
}

func TestText(t *testing.T) {
	shard := func(change func(*status.Shard)) status.Report {
		return running(func(r *status.Report) { change(&r.Shards[0]) })
	}
	polling := func(change func(*status.Polling)) status.Report {
		return running(func(r *status.Report) { change(&r.Polling) })
	}
	fenced := errors.New("fenced")
	for name, c := range map[string]struct {
		report status.Report
		want   string
	}{
		"the zero value":     {status.Report{}, "the topics are being opened"},
		"Kafka is not there": {status.Report{Waiting: errors.New("no broker\n listens")}, "the topics are being opened: no broker listens"},
		"no answer yet":      {status.Report{Stage: status.Initializing, Polling: status.Polling{Phase: status.Started, LastFailure: "not_found"}}, "the state topic is initialized as soon as Deadline Cloud has shown a farm\nDeadline Cloud does not find the farms or fleets of the configuration in this region: check them, the region and the account"},
		"no farm yet":        {status.Report{Region: "eu-north-1", Stage: status.Initializing, Polling: status.Polling{Phase: status.Started, Answered: true}}, "the state topic is initialized as soon as Deadline Cloud has shown a farm\nDeadline Cloud lists no farm in eu-north-1: check the region and the account, and whether the credentials may see the farms"},
		"ready":              {running(func(*status.Report) {}), "ready"},
		"a standby": {running(func(r *status.Report) {
			r.Shards, r.Polling = nil, status.Polling{Phase: status.Started, Answered: true, FarmShown: true}
		}), "ready\nnote: the consumer group has assigned no shard to this instance, which stands by"},
		"not joined":        {running(func(r *status.Report) { r.Shards, r.Group.Joined = nil, false }), "the consumer group is being joined"},
		"Kafka is gone":     {running(func(r *status.Report) { r.Shards, r.Group = nil, status.Group{Err: errors.New("no broker answered")} }), "the consumer group cannot be reached: no broker answered"},
		"the group is gone": {running(func(r *status.Report) { r.Group.Err = errors.New("no broker answered") }), "ready\nwarning: the consumer group cannot be reached: no broker answered"},
		"shards": {running(func(r *status.Report) {
			r.Shards = []status.Shard{{Number: 10, State: status.Waiting, Err: fenced}, {Number: 2}, followed(3)}
		}), "shard 2 is being acquired\nshard 10 waits to be acquired again: fenced"},
		"acquired again":     {shard(func(s *status.Shard) { *s = status.Shard{Number: 1, Err: fenced, Failures: 2} }), "shard 1 is being acquired again after it failed: fenced"},
		"failed repeatedly":  {shard(func(s *status.Shard) { s.Since, s.Err, s.Failures = moment.Add(-59*time.Second), fenced, 2 }), "shard 0 has failed 2 times in a row, and is ready after a minute without a failure: fenced"},
		"failed long ago":    {shard(func(s *status.Shard) { s.Err, s.Failures = fenced, 2 }), "ready"},
		"no commit yet":      {shard(func(s *status.Shard) { s.Since, s.Committed = moment, time.Time{} }), "shard 0 has not committed its first transaction yet"},
		"no commit for long": {shard(func(s *status.Shard) { s.Committed = moment.Add(-61 * time.Second) }), "shard 0 has committed no transaction for 1m1s"},
		"no commit at all":   {shard(func(s *status.Shard) { s.Committed = time.Time{} }), "shard 0 has committed no transaction for 1h0m"},
		"a slow commit":      {shard(func(s *status.Shard) { s.Publishing = moment.Add(-11 * time.Second) }), "ready\nwarning: shard 0 has waited for 11s for the brokers to commit a transaction"},
		"a slow reader":      {running(func(r *status.Report) { r.DryRun, r.Shards[0].Publishing = true, moment.Add(-70*time.Second) }), "ready\nwarning: an event has waited for 1m10s to be printed: whoever reads them stands still"},
		"without a leader": {running(func(r *status.Report) {
			r.Shards = []status.Shard{followed(1), followed(2)}
			r.Shards[0].Leaderless = map[string]int{"e-1": 2, "e-0": 1}
			r.Shards[1].Leaderless = map[string]int{"e-1": 1}
		}), "ready\nwarning: e-0 has no leader, and the changes of 1 worker wait for it: start the brokers that keep its replicas\nwarning: e-1 has no leader, and the changes of 3 workers wait for it: start the brokers that keep its replicas"},
		"sessions not asked for": {shard(func(s *status.Shard) { s.Unasked = 1 }), "shard 0 has 1 open session that Deadline Cloud was not asked for since the restore"},
		"many shards":            {running(func(r *status.Report) { r.Shards = make([]status.Shard, 12) }), strings.Repeat("shard 0 is being acquired\n", 10) + "2 more shards have such a problem"},
		"polling has ended":      {polling(func(p *status.Polling) { p.Phase = status.Ended }), "polling has ended"},
		"no farm":                {polling(func(p *status.Polling) { p.Farms, p.Fleets, p.Targets = 0, 0, 1 }), "Deadline Cloud lists no farm in eu-west-1: check the region and the account, and whether the credentials may see the farms"},
		"farms not read yet":     {polling(func(p *status.Polling) { p.Farms, p.Fleets, p.Targets, p.PendingTargets = 0, 0, 1, 1 }), "1 of 1 lists of farms, fleets and workers have not been read yet"},
		"a farm without fleets":  {polling(func(p *status.Polling) { p.EmptyFarms = []string{"farm-1"} }), "ready\nwarning: farm farm-1 has no fleet to watch"},
		"another account":        {polling(func(p *status.Polling) { p.OtherAccount, p.Farms = true, 0 }), "none of the farms that are stored in Kafka is listed: the credentials are of another account, or may not see these farms"},
		"missing":                {polling(func(p *status.Polling) { p.MissingFarms, p.MissingFleets = []string{"farm-1"}, []string{"fleet-1"} }), "ready\nwarning: farm farm-1 does not exist in this account and region\nwarning: fleet fleet-1 is in none of the farms"},
		"all missing": {polling(func(p *status.Polling) {
			p.MissingFarms, p.MissingFleets, p.Farms, p.Fleets = []string{"farm-1"}, []string{"fleet-1"}, 0, 0
		}), "farm farm-1 does not exist in this account and region\nfleet fleet-1 is in none of the farms"},
		"fleets not searched yet": {polling(func(p *status.Polling) { p.PendingTargets, p.MissingFleets = 2, []string{"fleet-1"} }), "2 of 3 lists of farms, fleets and workers have not been read yet"},
		"a fleet fails": {polling(func(p *status.Polling) {
			p.Discovery = []status.Failure{{FarmID: "farm-1", FleetID: "fleet-2", Operation: "ListWorkers", Failures: 2, Reason: "server_error"}}
		}), "ready\nwarning: ListWorkers of farm farm-1, fleet fleet-2 failed 2 times in a row: server error"},
		"a fleet never read": {polling(func(p *status.Polling) {
			p.PendingTargets, p.Discovery = 1, []status.Failure{{FarmID: "f", FleetID: "l", Operation: "ListWorkers", Failures: 1, Reason: "denied", Pending: true}}
		}), "ready\nwarning: ListWorkers of farm f, fleet l failed: denied\nwarning: 1 of 3 lists of farms, fleets and workers have not been read yet"},
		"a new fleet": {polling(func(p *status.Polling) { p.PendingTargets, p.Searched = 1, true }), "ready\nwarning: 1 of 3 lists of farms, fleets and workers have not been read yet"},
		"all fleets never read": {polling(func(p *status.Polling) {
			p.PendingTargets, p.Discovery, p.Failing = 1, []status.Failure{{FarmID: "f", FleetID: "l", Operation: "ListWorkers", Failures: 1, Reason: "denied", Pending: true}}, []status.Outage{{"ListWorkers", time.Second, "denied"}}
		}), "1 of 3 lists of farms, fleets and workers have not been read yet\nwarning: ListWorkers of farm f, fleet l failed: denied"},
		"nothing was ever read": {polling(func(p *status.Polling) {
			p.PendingTargets, p.Targets, p.Discovery = 1, 1, []status.Failure{{Operation: "ListFarms", Failures: 3, Reason: "denied", Pending: true}}
		}), "1 of 1 lists of farms, fleets and workers have not been read yet\nwarning: ListFarms failed 3 times in a row: denied"},
		"credentials":    {polling(func(p *status.Polling) { p.CredentialsRefused = true }), "ready\nwarning: the credentials are refused"},
		"no credentials": {polling(func(p *status.Polling) { p.CredentialsUnavailable = true }), "ready\nwarning: the credentials cannot be fetched"},
		"credentials for long": {polling(func(p *status.Polling) {
			p.CredentialsRefused, p.Failing = true, []status.Outage{{"ListFarms", 2 * time.Minute, "credentials"}}
		}), "the credentials are refused"},
		"a short outage": {polling(func(p *status.Polling) {
			p.Failing = []status.Outage{{"ListSessionsForWorker", 59 * time.Second, "denied"}, {"ListFarms", 9 * time.Second, "timeout"}}
		}), "ready\nwarning: ListSessionsForWorker has given no usable answer for 59s: denied"},
		"an outage": {polling(func(p *status.Polling) {
			p.Failing = []status.Outage{{"ListSessionsForWorker", 26 * time.Hour, "denied"}}
		}), "ListSessionsForWorker has given no usable answer for 26h0m: denied"},
		"lookups denied": {polling(func(p *status.Polling) {
			p.Failing = []status.Outage{{"BatchGetSession", time.Hour, "denied"}, {"GetSession", time.Hour, "denied"}}
		}), "ready\nwarning: BatchGetSession and GetSession are both denied: the end of a session whose worker was deleted is not published"},
		"missing sessions": {polling(func(p *status.Polling) { p.Missing = 3 }), "ready\nwarning: the service says of 3 open sessions that the queue, fleet or farm does not exist"},
		"batches denied":   {polling(func(p *status.Polling) { p.Failing = []status.Outage{{"BatchGetSession", time.Hour, "denied"}} }), "ready\nnote: BatchGetSession is denied: ends are seen when workers are listed, and sessions that a listing lacks are looked up one by one with GetSession"},
		"sweeps denied": {polling(func(p *status.Polling) {
			denied := status.Operation{Failed: map[string]uint64{"denied": 1}}
			p.Operations = map[string]status.Operation{"BatchGetWorker": denied, "ListSessions": denied, "GetWorker": denied}
		}), "ready\nnote: BatchGetWorker is denied: the statuses of workers come from ListWorkers, and starts are seen later\nnote: ListSessions is denied: workers are listed one by one, and bursts of starts are seen later"},
		"statuses denied later": {polling(func(p *status.Polling) {
			p.Operations = map[string]status.Operation{"BatchGetWorker": {Answered: 1}}
			p.Failing = []status.Outage{{"BatchGetWorker", time.Hour, "denied"}}
		}), "ready\nnote: BatchGetWorker is denied: the statuses of workers come from ListWorkers, and starts are seen later"},
		"workers": {polling(func(p *status.Polling) {
			p.Unlisted = []status.Failure{{FarmID: "f", FleetID: "l", WorkerID: "w", Operation: "ListSessionsForWorker", Failures: 3, Reason: "repeated_token"}}
			p.UnlistedCount, p.LookupsFailing = 12, 4
		}), "ready\nwarning: 12 workers cannot be listed\nwarning: the sessions of 4 workers cannot be looked up\nnote: ListSessionsForWorker of farm f, fleet l, worker w failed 3 times in a row: repeated token"},
		"a worker that is not tried": {polling(func(p *status.Polling) {
			p.Unlisted = []status.Failure{{FarmID: "f", FleetID: "l", WorkerID: "w", Operation: "ListSessionsForWorker", Reason: "denied"}}
			p.UnlistedCount = 1
		}), "ready\nwarning: 1 worker cannot be listed\nnote: ListSessionsForWorker of farm f, fleet l, worker w waits, because its fleet fails as a whole: denied"},
		"too many workers": {polling(func(p *status.Polling) {
			p.Watched, p.NeverListed, p.OldestNeverListed = 600, 480, 11*time.Second
		}), "ready\nwarning: not listed yet: 480 of 600 workers; the first of them has waited for 11s"},
		"starts queue up": {polling(func(p *status.Polling) {
			p.Budget.TooLow, p.Budget.Late = errors.New("they queue up; 12 requests a second would do"), 9*time.Minute+16*time.Second
		}), "ready\nwarning: the rate is too low for the starts: they queue up; 12 requests a second would do; this instance may send 10; starts are seen up to 9m16s late in the mean, and ends by the sweep of open sessions"},
		"too many starts": {polling(func(p *status.Polling) {
			p.Budget.TooLow = errors.New("9m16s in the mean; 20 requests a second would do")
		}), "ready\nwarning: the rate is too low for the starts: 9m16s in the mean; 20 requests a second would do; this instance may send 10; starts are seen late, and ends by the sweep of open sessions"},
		"throttled": {polling(func(p *status.Polling) { p.ThrottledRatio = 0.25 }), "ready\nwarning: AWS has throttled 25 % of the requests of the last five minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want+"\n", c.report.Text()); d != "" {
				t.Errorf("text (-want +got):\n%s", d)
			}
			if ready := strings.HasPrefix(c.want, "ready"); c.report.Ready() != ready {
				t.Errorf("ready: %v", c.report.Ready())
			}
		})
	}
}

// Each cause has a key of its own, which stays the same while its numbers change.
func TestKeys(t *testing.T) {
	r := running(func(r *status.Report) {
		r.Shards = []status.Shard{{Number: 1, State: status.Waiting, Err: errors.New("a")}, {Number: 2, State: status.Waiting, Err: errors.New("b")}}
		for range 30 {
			r.Polling.Discovery = append(r.Polling.Discovery, status.Failure{FleetID: strconv.Itoa(len(r.Polling.Discovery)), Operation: "ListWorkers", Failures: 1})
		}
		r.Polling.NeverListed, r.Polling.MissingFarms = 7, []string{"farm-1", "farm-2"}
	})
	keys := map[status.Key]bool{}
	for _, c := range r.Causes() {
		if keys[c.Key] {
			t.Errorf("%v twice", c.Key)
		}
		keys[c.Key] = true
	}
	if len(keys) != 2+11+1+2 {
		t.Errorf("%d causes: %v", len(keys), keys)
	}
	r.Polling.NeverListed, r.Shards[0].Err = 8, errors.New("c")
	for _, c := range r.Causes() {
		if !keys[c.Key] {
			t.Errorf("%v is new", c.Key)
		}
	}
}

// A cause is told once, when it has lasted for some seconds, and again when it is gone. What comes and goes is not told.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		report := running(func(*status.Report) {})
		change := func(f func(*status.Report)) { mu.Lock(); defer mu.Unlock(); f(&report) }
		var told []string
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			status.Follow(ctx, func() status.Report { mu.Lock(); defer mu.Unlock(); report.Polling.NeverListed++; return report }, func(c status.Change) {
				told = append(told, fmt.Sprintf("%s %v %v", c.Cause.Kind, c.Gone, c.Ready))
			})
		}()
		expect := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(told, want) {
				t.Errorf("told %q, want %q", told, want)
			}
			told = nil
		}
		change(func(r *status.Report) { r.Polling.OldestNeverListed = time.Hour })
		time.Sleep(time.Minute + 2*time.Second) // between two looks
		expect(" true true", "never listed false true")
		for range 10 { // comes and goes
			change(func(r *status.Report) { r.Polling.ThrottledRatio = 1 - r.Polling.ThrottledRatio })
			time.Sleep(5 * time.Second)
		}
		expect()
		change(func(r *status.Report) { r.Group.Err = errors.New("gone") })
		time.Sleep(time.Minute)
		expect("group false true")
		change(func(r *status.Report) { r.Shards = nil }) // the same cause is worse now
		time.Sleep(time.Minute)
		expect("group false false", " false false")
		change(func(r *status.Report) { r.Group.Err, r.Shards = nil, []status.Shard{followed(0)} })
		time.Sleep(time.Minute)
		expect(" true true", "group true true")
		stop()
		<-done
	})
}

// follow looks at reports for a time, and returns what is told. The function change changes the report before each look.
func follow(t *testing.T, d time.Duration, change func(look int, r *status.Report)) (told []string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), d)
		defer stop()
		look := 0
		status.Follow(ctx, func() status.Report {
			look++
			return running(func(r *status.Report) { change(look, r) })
		}, func(c status.Change) {
			told = append(told, fmt.Sprintf("%v %v: %s", c.Gone, c.Ready, c.Cause.Text))
		})
	})
	return told
}

// Causes and a readiness that come and go for a day are told at first, and then less and less often.
func TestFollowFlapping(t *testing.T) {
	for _, period := range []int{1, 2, 3, 5, 20, 100} {
		told := follow(t, 24*time.Hour, func(look int, r *status.Report) {
			if look/period%2 == 0 {
				return
			}
			r.Polling.CredentialsRefused = true
			r.Shards[0].State, r.Shards[0].Err = status.Waiting, errors.New("fenced")
		})
		if len(told) > 3*2*144 {
			t.Errorf("%d lines in a day with a period of %d looks", len(told), period)
		}
		if period > 1 && !strings.Contains(strings.Join(told, "\n"), "the credentials are refused") {
			t.Errorf("period %d: a cause was not told: %q", period, told)
		}
	}
}

// A cause that is not named any more, because others come before it, has not passed.
func TestFollowUnnamed(t *testing.T) {
	told := follow(t, time.Hour, func(look int, r *status.Report) {
		first := 1
		if look > 100 {
			first = 0
		}
		r.Shards = nil
		for n := first; n < 12; n++ {
			r.Shards = append(r.Shards, status.Shard{Number: n, State: status.Waiting, Err: errors.New("fenced")})
		}
	})
	for _, line := range told {
		if strings.HasPrefix(line, "true ") {
			t.Errorf("told: %s", line)
		}
	}
	if len(told) != 12 {
		t.Errorf("told %q", told)
	}
}

// A list whose failure an outage of its operation tells has not passed. It has when the outage is over.
func TestFollowOutage(t *testing.T) {
	told := follow(t, 2*time.Minute, func(look int, r *status.Report) {
		if look > 12 {
			return
		}
		r.Polling.Discovery = []status.Failure{{FarmID: "f", Operation: "ListFleets", Failures: 4, Reason: "denied"}}
		r.Polling.Failing = []status.Outage{{Operation: "ListFleets", For: time.Duration(look) * 3 * time.Second, Reason: "denied"}}
	})
	want := []string{"true true: ", "false true: ListFleets of farm f failed 4 times in a row: denied", "false true: ListFleets has given no usable answer for 15s: denied"}
	if len(told) != 5 || !slices.Equal(told[:3], want) {
		t.Errorf("told %q", told)
	}
}

// Another reason of the same failure is told, too.
func TestFollowReason(t *testing.T) {
	told := follow(t, time.Minute, func(look int, r *status.Report) {
		reason := "throttled"
		if look > 4 {
			reason = "denied"
		}
		r.Polling.Failing = []status.Outage{{Operation: "ListFarms", For: 30 * time.Second, Reason: reason}}
	})
	if want := []string{"true true: ", "false true: ListFarms has given no usable answer for 30s: throttled",
		"false true: ListFarms has given no usable answer for 30s: denied", "true true: ListFarms has given no usable answer for 30s: throttled"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

func TestWriteSummary(t *testing.T) {
	p := running(func(r *status.Report) {
		p := &r.Polling
		p.Farms, p.Fleets, p.Workers, p.OpenSessions = 1, 2, 40, 7
		p.Failing = []status.Outage{{"BatchGetSession", time.Second, "denied"}}
		p.Operations = map[string]status.Operation{
			"ListFarms":       {},
			"BatchGetSession": {Failed: map[string]uint64{"denied": 1}},
			"GetSession":      {},
			"ListWorkers":     {Answered: 12, Failed: map[string]uint64{"server_error": 2, "throttled": 1}},
		}
	})
	var out strings.Builder
	if err := p.WriteSummary(&out); err != nil {
		t.Fatal(err)
	}
	want := `Seen: 1 farm, 2 fleets, 40 workers, 7 open sessions.
  BatchGetSession        answered 0, denied 1
  GetSession             not tried: no session was seen
  ListFarms              not tried
  ListWorkers            answered 12, server error 2, throttled 1
note: BatchGetSession is denied: ends are seen when workers are listed, and sessions that a listing lacks are looked up one by one with GetSession
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	if err := p.WriteSummary(full{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("a failed write gives %v", err)
	}
}

// full is a writer that has no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestHandler(t *testing.T) {
	report := status.Report{}
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "farmwire_test"}))
	handler := status.Handler(func() status.Report { return report }, registry)
	get := func(path string) (int, string) {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		return answer.Code, answer.Body.String()
	}
	if code, body := get("/livez"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/livez: %d %q", code, body)
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || body != "the topics are being opened\n" {
		t.Errorf("/readyz before the topics are open: %d %q", code, body)
	}
	report = status.Report{Stage: status.Running, Group: status.Group{Joined: true}, Polling: status.Polling{Phase: status.Started, Answered: true, FarmShown: true}}
	if code, body := get("/readyz"); code != http.StatusOK || !strings.HasPrefix(body, "ready\nnote: ") {
		t.Errorf("/readyz when all is well: %d %q", code, body)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "farmwire_test 0\n") {
		t.Errorf("/metrics: %d %q", code, body)
	}
}
