package diff_test

import (
	"fmt"
	"time"

	"farmwire/diff"
)

// Each of three listings of a worker is compared with the snapshot that Apply returned for the listing before.
func Example() {
	worker := diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	session := diff.Session{
		WorkerKey: worker, QueueID: "queue-1", JobID: "job-1", SessionID: "session-1",
		LifecycleStatus: diff.StatusStarted, StartedAt: noon.Add(time.Minute),
	}
	ended := session
	ended.LifecycleStatus, ended.EndedAt = diff.StatusEnded, noon.Add(time.Hour)

	snapshot := diff.NewSnapshot(worker, diff.Watch{Since: noon})
	for i, seen := range []diff.Session{session, session, ended} {
		// One request, sent half an hour after the one before and answered within a second.
		sent := noon.Add(time.Duration(i+1) * 30 * time.Minute)
		request := diff.Exchange{Sent: sent, Arrived: sent.Add(time.Second), SentTick: uint64(2*i + 1), ArrivedTick: uint64(2*i + 2)}
		changes := diff.Between(snapshot, diff.Observation{
			Worker: worker, Source: diff.CompleteListing, FirstRequest: request, Pages: 1,
			Sightings: []diff.Sighting{{Session: seen, Exchange: request}},
		})
		for _, c := range changes.Events {
			fmt.Println(c.Session.SessionID, c.Sequence, c.Kind, "by", c.Observed.Before.Format(time.TimeOnly))
		}
		// Publish the changes here; the snapshot may move only when they are committed.
		snapshot = diff.Apply(snapshot, changes)
		fmt.Println("open sessions:", snapshot.OpenCount())
	}
	// Output:
	// session-1 1 started by 12:30:01
	// open sessions: 1
	// open sessions: 1
	// session-1 2 ended by 13:30:01
	// open sessions: 0
}
