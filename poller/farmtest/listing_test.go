package farmtest_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/google/go-cmp/cmp"
)

// listPages requests at most the given number of pages. It returns the session ids of each page, and the tokens.
func listPages(t *testing.T, client *deadline.Client, w *farmtest.Worker, pages int) (ids [][]string, tokens []string) {
	t.Helper()
	in := listInput(w)
	for range pages {
		out, err := client.ListSessionsForWorker(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		page := []string{}
		for _, s := range out.Sessions {
			page = append(page, *s.SessionId)
		}
		ids = append(ids, page)
		if out.NextToken == nil {
			break
		}
		tokens = append(tokens, *out.NextToken)
		in.NextToken = out.NextToken
	}
	return ids, tokens
}

// workerWith returns a worker with n sessions, ordered by their start.
func workerWith(srv *farmtest.Server, n int) (*farmtest.Worker, []*farmtest.Session) {
	worker := srv.Cloud().AddFarm("f").AddFleet("render").AddWorker()
	var sessions []*farmtest.Session
	for range n {
		sessions = append(sessions, worker.StartSession(nil))
	}
	return worker, sessions
}

// distinct returns the number of different strings.
func distinct(all []string) int { return len(slices.Compact(slices.Sorted(slices.Values(all)))) }

func TestTokensThatNeverEnd(t *testing.T) {
	cases := map[string]struct {
		fault    farmtest.Fault
		distinct int // expected number among ten tokens
	}{
		"repeated":        {farmtest.Fault{Kind: farmtest.RepeatedToken, Page: 1}, 1},
		"repeated later":  {farmtest.Fault{Kind: farmtest.RepeatedToken, Page: 2}, 2},
		"ring":            {farmtest.Fault{Kind: farmtest.TokenRing, Page: 1}, 3},
		"ring of five":    {farmtest.Fault{Kind: farmtest.TokenRing, Page: 1, N: 5}, 5},
		"endless":         {farmtest.Fault{Kind: farmtest.EndlessPages, Page: 1}, 10},
		"two pages extra": {farmtest.Fault{Kind: farmtest.EndlessPages, Page: 1, N: 2}, 2},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			srv := start(t, farmtest.Config{PageSize: 2, Faults: []farmtest.Fault{c.fault}})
			worker, _ := workerWith(srv, 5)
			ids, tokens := listPages(t, newClient(t, srv), worker, 10)
			if got := distinct(tokens); got != c.distinct {
				t.Errorf("%d distinct tokens of %d, want %d", got, len(tokens), c.distinct)
			}
			if c.fault.N != 2 && len(ids) != 10 {
				t.Errorf("the listing ended after %d pages", len(ids))
			}
		})
	}
}

func TestListAbsentAndNull(t *testing.T) {
	for _, kind := range []farmtest.Kind{farmtest.ListAbsent, farmtest.ListNull, farmtest.EmptyBody} {
		srv := start(t, farmtest.Config{PageSize: 1, Faults: []farmtest.Fault{{Kind: kind}}})
		worker, sessions := workerWith(srv, 2)
		client := newClient(t, srv)
		out, err := client.ListSessionsForWorker(t.Context(), listInput(worker))
		if err != nil {
			t.Fatal(err)
		}
		if out.Sessions != nil || (out.NextToken == nil) != (kind == farmtest.EmptyBody) {
			t.Errorf("%s: %+v", kind, out)
		}
		for op, err := range everyOperation(t.Context(), client, sessions[0]) {
			if err != nil {
				t.Errorf("%s: %s: %v", kind, op, err)
			}
		}
	}
}

func TestCorruptEntries(t *testing.T) {
	srv := start(t, farmtest.Config{Seed: 5})
	worker, _ := workerWith(srv, 4)
	client := newClient(t, srv)
	spoiled := func(kind farmtest.Kind) (nulls, lacking int) {
		srv.SetFaults(farmtest.Fault{Kind: kind})
		out, err := client.ListSessionsForWorker(t.Context(), listInput(worker))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range out.Sessions {
			switch n := countTrue(s.SessionId == nil, s.QueueId == nil, s.JobId == nil, s.StartedAt == nil, s.LifecycleStatus == ""); n {
			case 5:
				nulls++
			case 1:
				lacking++
			}
		}
		return nulls, lacking
	}
	if nulls, lacking := spoiled(farmtest.EntryNull); nulls != 1 || lacking != 0 {
		t.Errorf("null entry: %d null, %d lacking", nulls, lacking)
	}
	if nulls, lacking := spoiled(farmtest.EntryIncomplete); nulls != 0 || lacking != 1 {
		t.Errorf("incomplete entry: %d null, %d lacking", nulls, lacking)
	}
	if nulls, lacking := spoiled(farmtest.UnknownFields); nulls != 0 || lacking != 0 {
		t.Errorf("unknown fields: %d null, %d lacking", nulls, lacking)
	}
	srv.SetFaults(farmtest.Fault{Kind: farmtest.EpochTime})
	if _, err := client.ListSessionsForWorker(t.Context(), listInput(worker)); err == nil {
		t.Error("a number for a time is accepted")
	}
}

func countTrue(all ...bool) (n int) {
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}

func TestPagesShift(t *testing.T) {
	srv := start(t, farmtest.Config{PageSize: 3, Seed: 1, Faults: []farmtest.Fault{{Kind: farmtest.PagesShift, Page: 2, N: 1}}})
	worker, sessions := workerWith(srv, 9)
	client := newClient(t, srv)
	lengths := map[int]int{}
	for range 30 {
		ids, _ := listPages(t, client, worker, 10)
		all := slices.Concat(ids...)
		if distinct(all) < 8 {
			t.Errorf("%d of 9 sessions", distinct(all))
		}
		lengths[len(all)]++
	}
	if lengths[8] == 0 || lengths[10] == 0 || lengths[8]+lengths[10] != 30 {
		t.Errorf("lengths %v: want one skipped or one repeated", lengths)
	}
	if hidden := countHidden(sessions); hidden != 1 {
		t.Errorf("the truth of %d sessions says that they were hidden, want the fourth only", hidden)
	}
}

func TestOrderIsStableUnderChange(t *testing.T) {
	for _, order := range []farmtest.Order{farmtest.NewestFirst, farmtest.OldestFirst, farmtest.RandomStable} {
		t.Run(strconv.Itoa(int(order)), func(t *testing.T) {
			srv := start(t, farmtest.Config{PageSize: 2, Order: order})
			worker, sessions := workerWith(srv, 8)
			client := newClient(t, srv)
			in := listInput(worker)
			var got []string
			for {
				out, err := client.ListSessionsForWorker(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range out.Sessions {
					got = append(got, *s.SessionId)
				}
				worker.StartSession(nil).Forget() // a session that comes and goes between two pages
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
			}
			var want []string
			for _, s := range sessions {
				want = append(want, s.ID())
			}
			oldest := slices.Equal(got, want)
			slices.Reverse(want)
			newest := slices.Equal(got, want)
			if oldest != (order == farmtest.OldestFirst) || newest != (order == farmtest.NewestFirst) {
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

func TestMissingSessions(t *testing.T) {
	clock := farmtest.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	srv := start(t, farmtest.Config{Clock: clock, Faults: []farmtest.Fault{{Kind: farmtest.Missing, Delay: time.Minute}}})
	worker, sessions := workerWith(srv, 1)
	client := newClient(t, srv)
	clock.Set(clock.Now().Add(59 * time.Second))
	if ids, _ := listPages(t, client, worker, 1); len(ids[0]) != 1 {
		t.Error("a young session is missing")
	}
	clock.Set(clock.Now().Add(time.Second))
	if ids, _ := listPages(t, client, worker, 1); len(ids[0]) != 0 {
		t.Error("an old session is not missing")
	}
	if at := sessions[0].Truth().IncompleteUntil; at == nil || !at.Equal(clock.Now()) {
		t.Errorf("the truth says hidden at %v", at)
	}
	if _, err := client.GetSession(t.Context(), getInput(sessions[0])); err != nil {
		t.Errorf("GetSession of the missing session: %v", err)
	}
}

func TestListFleetsFilters(t *testing.T) {
	srv := start(t, farmtest.Config{})
	farm := srv.Cloud().AddFarm("f")
	farm.AddFleet("one")
	farm.AddFleet("two").SetStatus("SUSPENDED")
	out, err := newClient(t, srv).ListFleets(t.Context(), &deadline.ListFleetsInput{FarmId: aws.String(farm.ID()), Status: "SUSPENDED"})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Fleets) != 1 || *out.Fleets[0].DisplayName != "two" {
		t.Errorf("fleets: %+v", out.Fleets)
	}
}

// countHidden returns how many sessions a listing has left out, as the truth says.
func countHidden(sessions []*farmtest.Session) int {
	n := 0
	for _, s := range sessions {
		if s.Truth().IncompleteUntil != nil {
			n++
		}
	}
	return n
}
