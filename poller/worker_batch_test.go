package poller

import (
	"strings"
	"testing"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
)

// What an answer of BatchGetWorker says of worker-1 and worker-2 of a fleet, and of a namesake of the first in another fleet.
func TestWorkersAreRead(t *testing.T) {
	key := func(fleet, worker string) diff.WorkerKey {
		return diff.WorkerKey{FarmID: "farm-1", FleetID: fleet, WorkerID: worker}
	}
	one, two, namesake := key("fleet-1", "worker-1"), key("fleet-1", "worker-2"), key("fleet-2", "worker-1")
	item := func(w diff.WorkerKey, status, host string) types.BatchGetWorkerItem {
		it := types.BatchGetWorkerItem{FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID, Status: types.WorkerStatus(status)}
		if host != "" {
			it.HostProperties = &types.HostPropertiesResponse{HostName: &host}
		}
		return it
	}
	failure := func(w diff.WorkerKey, code types.BatchGetWorkerErrorCode, message string) types.BatchGetWorkerError {
		return types.BatchGetWorkerError{FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID, Code: code, Message: &message}
	}
	const none, internal = types.BatchGetWorkerErrorCodeResourceNotFoundException, types.BatchGetWorkerErrorCodeInternalServerErrorException
	type items = []types.BatchGetWorkerItem
	type failures = []types.BatchGetWorkerError
	type statuses = map[diff.WorkerKey]diff.WorkerStatus
	long := strings.Repeat("x", maxField+1)
	for name, c := range map[string]struct {
		workers  items
		errors   failures
		err      error
		reason   schedule.Reason
		notFound string
		statuses statuses
		gone     []diff.WorkerKey
	}{
		"all are shown": {
			workers:  items{item(two, "IDLE", ""), item(one, "RUNNING", "host"), item(namesake, "STOPPED", "")},
			statuses: statuses{one: {Status: "RUNNING", HostName: "host"}, two: {Status: "IDLE"}, namesake: {Status: "STOPPED"}},
		},
		"a status and a host name that are too long": {workers: items{item(one, long, long)}, statuses: statuses{one: {}}},
		"workers that were not asked about": {
			workers: items{item(key("fleet-1", "worker-3"), "IDLE", ""), item(key("fleet-2", "worker-2"), "IDLE", ""), {}},
			errors:  failures{failure(key("fleet-1", "worker-3"), none, "worker-3"), {Code: none}}, statuses: statuses{},
		},
		"gone": {
			errors:   failures{failure(two, none, "Resource of type worker with id worker-2 does not exist."), failure(two, none, "worker-2"), failure(namesake, none, "worker-1 is not there")},
			statuses: statuses{}, gone: []diff.WorkerKey{two, namesake},
		},
		"shown and gone": {workers: items{item(one, "IDLE", "")}, errors: failures{failure(one, none, "worker-1")}, statuses: statuses{one: {Status: "IDLE"}}},
		"something else does not exist": {
			errors:   failures{failure(one, none, "fleet-1"), failure(two, none, "farm-1"), failure(namesake, none, "worker-1 of fleet-2")},
			statuses: statuses{},
		},
		"nothing clear":      {errors: failures{failure(one, internal, "worker-1"), failure(two, none, "not found"), failure(namesake, "SomeCode", "worker-1")}, statuses: statuses{}},
		"an empty answer":    {workers: items{}, statuses: statuses{}},
		"only errors":        {errors: failures{}, statuses: statuses{}},
		"no list":            {reason: schedule.NoList},
		"a failure":          {err: failed(schedule.Denied), reason: schedule.Denied},
		"no such farm":       {err: notFound("farm"), reason: schedule.ResourceNotFound, notFound: "farm"},
		"the farm's message": {err: &attemptError{reason: schedule.ResourceNotFound, cause: &types.ResourceNotFoundException{Message: new("no farm-1")}}, reason: schedule.ResourceNotFound, notFound: "farm"},
	} {
		t.Run(name, func(t *testing.T) {
			request := asked{out: &deadline.BatchGetWorkerOutput{Workers: c.workers, Errors: c.errors}}
			if c.err != nil {
				request = asked{err: c.err}
			}
			a := newAssembler(Config{}.withDefaults())
			r := request.replyTo(schedule.Call{Kind: schedule.BatchGetWorker, Workers: []diff.WorkerKey{one, two, namesake}}, 1)
			rd := a.read(r, knowing(diff.Snapshot{}))
			if rd.Reason != c.reason || rd.NotFound != c.notFound {
				t.Errorf("reason %q, not found %q", rd.Reason, rd.NotFound)
			}
			if diff := cmp.Diff(c.statuses, rd.Statuses); diff != "" {
				t.Errorf("statuses (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.gone, rd.Gone); diff != "" {
				t.Errorf("gone (-want +got):\n%s", diff)
			}
			if got, _ := a.end(r, &rd, schedule.Outcome{Stage: schedule.Complete}); got != nil || len(a.lists) != 0 {
				t.Errorf("it gives %v, and %d lists are kept", described(got), len(a.lists))
			}
		})
	}
}
