package farmwire

import (
	"sync"

	"farmwire/poller"
	"farmwire/status"
)

// polling converts the poller's state into its part of the report.
func polling(s poller.State) status.Polling {
	p := status.Polling{
		Phase:              phase(s.Phase),
		Answered:           s.Answered,
		LastFailure:        string(s.LastFailure),
		Targets:            s.Targets,
		PendingTargets:     s.PendingTargets,
		MissingFleets:      s.MissingFleets,
		CredentialsRefused: s.CredentialsRefused,
		UnlistedCount:      s.UnlistedCount,
		LookupsFailing:     s.LookupsFailing,
		OldestListing:      s.OldestListing,
		Farms:              s.Farms,
		Fleets:             s.Fleets,
		Workers:            s.Workers,
		OpenSessions:       s.OpenSessions,
		Operations:         make(map[string]status.Operation, len(s.Operations)),
	}
	for _, f := range s.Discovery {
		p.Discovery = append(p.Discovery, status.Failure{FarmID: f.FarmID, FleetID: f.FleetID, Operation: f.Operation, Failures: f.Failures, Reason: string(f.Reason)})
	}
	for _, w := range s.Unlisted {
		p.Unlisted = append(p.Unlisted, status.Failure{FarmID: w.FarmID, FleetID: w.FleetID, WorkerID: w.WorkerID, Operation: "ListSessionsForWorker", Failures: w.Failures, Reason: string(w.Reason)})
	}
	for name, o := range s.Operations {
		failed := make(map[string]uint64, len(o.Failed))
		for reason, n := range o.Failed {
			failed[string(reason)] = n
		}
		p.Operations[name] = status.Operation{Answered: o.Answered, Failed: failed}
	}
	return p
}

func phase(p poller.Phase) status.Phase {
	switch p {
	case poller.Polling:
		return status.Started
	case poller.Ended:
		return status.Ended
	}
	return status.NotStarted
}

// shardStates holds the state of each shard that the consumer group assigns to this instance.
type shardStates struct {
	mu     sync.Mutex
	shards map[int]status.Shard // by number
}

// set stores the state of a shard. err is why the shard waits, or nil.
func (s *shardStates) set(number int, state status.ShardState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shards == nil {
		s.shards = make(map[int]status.Shard)
	}
	s.shards[number] = status.Shard{Number: number, State: state, Err: err}
}

// drop forgets a shard that is not assigned to this instance any more.
func (s *shardStates) drop(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shards, number)
}

func (s *shardStates) all() []status.Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]status.Shard, 0, len(s.shards))
	for _, shard := range s.shards {
		all = append(all, shard)
	}
	return all
}
