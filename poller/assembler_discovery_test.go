package poller

import (
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

func farmsPage(next string, ids ...string) *deadline.ListFarmsOutput {
	out := &deadline.ListFarmsOutput{Farms: []types.FarmSummary{}, NextToken: &next}
	for _, id := range ids {
		out.Farms = append(out.Farms, types.FarmSummary{FarmId: &id})
	}
	return out
}

func fleetsPage(next string, ids ...string) *deadline.ListFleetsOutput {
	out := &deadline.ListFleetsOutput{Fleets: []types.FleetSummary{}, NextToken: &next}
	for _, id := range ids {
		out.Fleets = append(out.Fleets, types.FleetSummary{FleetId: &id, CreatedAt: &testTime})
	}
	return out
}

func workersPage(next string, workers ...types.WorkerSummary) *deadline.ListWorkersOutput {
	return &deadline.ListWorkersOutput{Workers: append([]types.WorkerSummary{}, workers...), NextToken: &next}
}

// Each page is shown to the schedule, and a list that is complete is given as a whole, with the date of its first page.
func TestListsOfDiscovery(t *testing.T) {
	a := newAssembler(Config{Fleets: []string{"fleet-1", "fleet-3"}}.withDefaults())
	farms, fleets := schedule.Call{List: 1, Kind: schedule.ListFarms}, schedule.Call{List: 3, Kind: schedule.ListFleets, Farm: "farm-1"}
	read := func(c schedule.Call, number uint64, request asked, o schedule.Outcome) (schedule.Answer, *list) {
		t.Helper()
		r := request.replyTo(c, number)
		rd := a.read(r, knowing(diff.Snapshot{}))
		observations, l := a.end(r, &rd, o)
		if observations != nil {
			t.Errorf("discovery gives %v", described(observations))
		}
		return rd.Answer, l
	}
	complete := schedule.Outcome{Stage: schedule.Complete}
	if answer, l := read(farms, 1, asked{page: 1, out: farmsPage("t", "farm-1")}, schedule.Outcome{}); l != nil || answer.Next != "t" || cmp.Diff(answer.Farms, []string{"farm-1"}) != "" {
		t.Errorf("the first page of farms: %+v", answer)
	}
	answer, l := read(farms, 2, asked{page: 2, out: farmsPage("", "farm-2")}, complete)
	if cmp.Diff(answer.Farms, []string{"farm-2"}) != "" || l == nil || cmp.Diff(l.farms, []string{"farm-1", "farm-2"}) != "" || !l.date.Equal(testTime.Add(time.Second)) {
		t.Errorf("the second page of farms: %+v, %+v", answer, l)
	}
	read(fleets, 3, asked{page: 1, out: fleetsPage("t", "fleet-1", "fleet-2")}, schedule.Outcome{})
	answer, l = read(fleets, 4, asked{page: 2, out: fleetsPage("", "fleet-3")}, complete)
	if cmp.Diff(answer.Fleets, []string{"fleet-3"}) != "" || l == nil || cmp.Diff(l.unselected, map[string]bool{"fleet-2": true}) != "" || !l.date.Equal(testTime.Add(3*time.Second)) {
		t.Errorf("fleets: %+v, %+v", answer, l)
	}
	want := []listedFleet{{"fleet-1", testTime, testTime.Add(3 * time.Second)}, {"fleet-3", testTime, testTime.Add(4 * time.Second)}}
	if diff := cmp.Diff(want, l.fleets, cmp.AllowUnexported(listedFleet{})); diff != "" {
		t.Errorf("fleets (-want +got):\n%s", diff)
	}
	if _, l := read(farms, 5, asked{page: 1, out: farmsPage("", "farm-1")}, schedule.Outcome{Stage: schedule.Complete, Ignored: true}); l != nil {
		t.Error("a list that the schedule ignores is given")
	}
	if len(a.lists) != 0 {
		t.Errorf("%d lists are kept", len(a.lists))
	}
}

// What is wrong with a page of discovery, and what it says that does not exist.
func TestBadPagesOfDiscovery(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	farms, fleets := schedule.Call{List: 1, Kind: schedule.ListFarms}, schedule.Call{List: 1, Kind: schedule.ListFleets, Farm: "farm-1"}
	workers := schedule.Call{List: 1, Kind: schedule.ListWorkers, Farm: "farm-1", Fleet: "fleet-1"}
	for name, c := range map[string]struct {
		call     schedule.Call
		asked    asked
		reason   schedule.Reason
		notFound string
	}{
		"no farms":            {farms, asked{page: 1, out: &deadline.ListFarmsOutput{}}, schedule.NoList, ""},
		"no fleets":           {fleets, asked{page: 1, out: &deadline.ListFleetsOutput{}}, schedule.NoList, ""},
		"no workers":          {workers, asked{page: 1, out: &deadline.ListWorkersOutput{}}, schedule.NoList, ""},
		"a farm without id":   {farms, asked{page: 1, out: farmsPage("", "")}, schedule.MissingField, ""},
		"a fleet with a long": {fleets, asked{page: 1, out: fleetsPage("", long)}, schedule.FieldTooLong, ""},
		"a worker without":    {workers, asked{page: 1, out: workersPage("", types.WorkerSummary{})}, schedule.MissingField, ""},
		"no such farm":        {fleets, asked{page: 1, err: notFound("farm")}, schedule.ResourceNotFound, "farm"},
		"no such fleet":       {workers, asked{page: 2, err: notFound("fleet")}, schedule.ResourceNotFound, "fleet"},
		"throttled":           {workers, asked{page: 1, err: failed(schedule.Throttled)}, schedule.Throttled, ""},
	} {
		a := newAssembler(Config{}.withDefaults())
		rd := a.read(c.asked.replyTo(c.call, 1), knowing(diff.Snapshot{}))
		if rd.Reason != c.reason || rd.NotFound != c.notFound || len(a.lists) != 0 {
			t.Errorf("%s: reason %q, not found %q, %d lists", name, rd.Reason, rd.NotFound, len(a.lists))
		}
	}
}

// A worker's status and host name are shown, unless they are too long.
func TestWorkersOfAPage(t *testing.T) {
	long := strings.Repeat("x", maxField+1)
	host := func(name string) *types.HostPropertiesResponse { return &types.HostPropertiesResponse{HostName: &name} }
	out := workersPage("t", types.WorkerSummary{WorkerId: aws.String("a"), Status: "RUNNING", HostProperties: host("h")},
		types.WorkerSummary{WorkerId: aws.String("b"), Status: types.WorkerStatus(long), HostProperties: host(long)})
	a := newAssembler(Config{}.withDefaults())
	got := a.read(asked{page: 1, out: out}.replyTo(schedule.Call{List: 1, Kind: schedule.ListWorkers, Farm: "f", Fleet: "g"}, 1), knowing(diff.Snapshot{})).Workers
	if diff := cmp.Diff([]schedule.Worker{{ID: "a", Status: diff.WorkerStatus{Status: "RUNNING", HostName: "h"}}, {ID: "b"}}, got); diff != "" {
		t.Errorf("workers (-want +got):\n%s", diff)
	}
}

// Of lists that the schedule gives up without a word nothing is left: a new list of the same replaces an old one, and of what
// discovery lists no more none is kept.
func TestListsThatAreGivenUp(t *testing.T) {
	a := newAssembler(Config{}.withDefaults())
	begin := func(number uint64, farm, fleet string) {
		c := schedule.Call{List: number, Kind: schedule.ListWorkers, Farm: farm, Fleet: fleet}
		a.read(asked{page: 1, out: workersPage("t")}.replyTo(c, number), knowing(diff.Snapshot{}))
	}
	kept := func() (n int) {
		for number := range a.lists {
			n = 10*n + int(number)
		}
		return n
	}
	begin(1, "farm-1", "fleet-1")
	begin(2, "farm-1", "fleet-1")
	if kept() != 2 {
		t.Errorf("lists %d are kept, want only the second", kept())
	}
	begin(1, "farm-1", "fleet-1")
	if a.lists[2] == nil {
		t.Error("a late page of an old list drops the new one")
	}
	delete(a.lists, 1)
	d := newDirectory()
	d.farmsListed(&list{date: testTime, farms: []string{"farm-1"}}, testTime)
	d.fleetsListed(&list{Call: schedule.Call{Farm: "farm-1"}, date: testTime, fleets: []listedFleet{{id: "fleet-1"}}}, testTime)
	begin(3, "farm-1", "fleet-of-nobody")
	begin(4, "farm-of-nobody", "fleet-2")
	begin(5, "farm-of-nobody", "fleet-3")
	a.keep(map[uint64]bool{5: true}, d.lists)
	if len(a.lists) != 2 || a.lists[2] == nil || a.lists[5] == nil {
		t.Errorf("lists %d are kept, want the second and the one in flight", kept())
	}
}
