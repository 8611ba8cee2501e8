package poller

import (
	"slices"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// readWorkers reads an answer of BatchGetWorker. What it says of workers that were not asked about is ignored. If it says both
// found and not found of a worker, found counts.
func readWorkers(r *reply, answer *schedule.Answer) error {
	out := r.out.(*deadline.BatchGetWorkerOutput)
	if out.Workers == nil && out.Errors == nil {
		return errNoList
	}
	answer.Statuses = make(map[diff.WorkerKey]diff.WorkerStatus, len(out.Workers))
	for i := range out.Workers {
		it := &out.Workers[i]
		if w := workerKey(it.FarmId, it.FleetId, it.WorkerId); slices.Contains(r.call.Workers, w) {
			answer.Statuses[w] = statusOf(it.Status, it.HostProperties)
		}
	}
	for i := range out.Errors {
		it := &out.Errors[i]
		w := workerKey(it.FarmId, it.FleetId, it.WorkerId)
		_, shown := answer.Statuses[w]
		if shown || slices.Contains(answer.Gone, w) || !slices.Contains(r.call.Workers, w) {
			continue
		}
		if it.Code == types.BatchGetWorkerErrorCodeResourceNotFoundException && namesWorker(aws.ToString(it.Message), w) {
			answer.Gone = append(answer.Gone, w)
		} // else it was throttled, an internal error, or something else does not exist
	}
	return nil
}

// namesWorker reports whether the message of an error is about a worker, and not about its fleet or farm.
func namesWorker(message string, w diff.WorkerKey) bool {
	return namedKind(message, map[string]string{w.FarmID: "farm", w.FleetID: "fleet", w.WorkerID: "worker"}) == "worker"
}

func workerKey(farm, fleet, worker *string) diff.WorkerKey {
	return diff.WorkerKey{FarmID: aws.ToString(farm), FleetID: aws.ToString(fleet), WorkerID: aws.ToString(worker)}
}
