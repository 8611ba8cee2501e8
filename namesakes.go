package farmwire

import (
	"maps"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// snapshots has the snapshots of a shard's workers.
//
// Workers of different fleets may have the same id: they are different workers. But a session has one owner: the worker
// under which it was first seen. If the service shows it under a namesake of its owner, as it may when it moves a worker to
// another fleet, that answer counts for the owner. Otherwise the session would start a second time, under the same event
// ids. A shard has all workers with one id, so it sees every such case.
type snapshots struct {
	byWorker  map[diff.WorkerKey]diff.Snapshot
	namesakes map[string][]diff.WorkerKey // the keys of byWorker, by worker id
	checked   time.Time                   // when forgetIdle last looked at them
}

// idleFor is how long a worker without sessions must not have been listed for its snapshot to be forgotten.
const idleFor = 24 * time.Hour

func newSnapshots(restored map[diff.WorkerKey]diff.Snapshot) *snapshots {
	s := &snapshots{byWorker: restored, namesakes: make(map[string][]diff.WorkerKey, len(restored))}
	for key := range restored {
		s.namesakes[key.WorkerID] = append(s.namesakes[key.WorkerID], key)
	}
	return s
}

// of returns the snapshot of a worker, which is empty if the worker is not known.
func (s *snapshots) of(worker diff.WorkerKey, watch event.WatchRecord) diff.Snapshot {
	if snapshot, known := s.byWorker[worker]; known {
		return snapshot
	}
	return diff.NewSnapshot(worker, watch.Of(worker.FleetID))
}

// all returns the snapshots of all workers.
func (s *snapshots) all() []diff.Snapshot { return slices.Collect(maps.Values(s.byWorker)) }

// put replaces the snapshot of a worker.
func (s *snapshots) put(snapshot diff.Snapshot) {
	key := snapshot.Worker()
	if _, known := s.byWorker[key]; !known {
		s.namesakes[key.WorkerID] = append(s.namesakes[key.WorkerID], key)
	}
	s.byWorker[key] = snapshot
}

// drop forgets a worker.
func (s *snapshots) drop(key diff.WorkerKey) {
	if _, known := s.byWorker[key]; !known {
		return
	}
	delete(s.byWorker, key)
	keys := slices.DeleteFunc(s.namesakes[key.WorkerID], func(k diff.WorkerKey) bool { return k == key })
	if s.namesakes[key.WorkerID] = keys; len(keys) == 0 {
		delete(s.namesakes, key.WorkerID)
	}
}

// forgetIdle forgets, once an hour, the workers without sessions that were not listed for idleFor. The poller does not list a
// worker any more that discovery does not show, and the service may never have said that it does not exist.
func (s *snapshots) forgetIdle(now time.Time) {
	if now.Sub(s.checked) < time.Hour {
		return
	}
	s.checked = now
	for worker, snapshot := range s.byWorker {
		if snapshot.Empty() && now.Sub(snapshot.Listed()) >= idleFor {
			s.drop(worker)
		}
	}
}

// nextRound splits a batch. The round has at most one observation of each worker id, in order, so that what one observation
// shows is committed before one of a namesake is compared.
func nextRound(batch []diff.Observation) (round, rest []diff.Observation) {
	taken := make(map[string]bool, len(batch))
	for _, o := range batch {
		if taken[o.Worker.WorkerID] {
			rest = append(rest, o)
			continue
		}
		taken[o.Worker.WorkerID] = true
		round = append(round, o)
	}
	return round, rest
}

// takeStrays removes from the observations of a round the sightings of sessions that belong to a namesake of the observed
// worker, and returns them as observations of their owners. They prove no absence there.
func (s *snapshots) takeStrays(round []diff.Observation) (strays []diff.Observation) {
	for i := range round {
		o := &round[i]
		for _, owner := range s.namesakes[o.Worker.WorkerID] {
			if owner == o.Worker {
				continue
			}
			snapshot := s.byWorker[owner]
			theirs := func(seen diff.Sighting) bool { return snapshot.Knows(seen.Session.SessionID) }
			if !slices.ContainsFunc(o.Sightings, theirs) {
				continue
			}
			stray := diff.Observation{Worker: owner, Source: diff.Answers}
			var own []diff.Sighting
			for _, seen := range o.Sightings {
				if theirs(seen) {
					stray.Sightings = append(stray.Sightings, seen)
				} else {
					own = append(own, seen)
				}
			}
			o.Sightings, strays = own, append(strays, stray)
		}
	}
	return strays
}
