package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// event is what a consumer reads of one record of the .events topic.
type event struct {
	ID       string    `json:"-"` // ce_id
	Time     time.Time `json:"-"` // ce_time
	Arrived  time.Time `json:"-"` // our clock, when the consumer had it
	Change   string    `json:"change"`
	Sequence uint64    `json:"sequence"`
	Inferred bool      `json:"inferred"`
	Snapshot bool      `json:"snapshot"`
	Session  session   `json:"session"`
	Observed bounds    `json:"observed"`
	Worker   *worker   `json:"worker"`
}

// session is the event's session after the change. Absent times are zero.
type session struct {
	FarmID                string    `json:"farmId"`
	FleetID               string    `json:"fleetId"`
	WorkerID              string    `json:"workerId"`
	SessionID             string    `json:"sessionId"`
	LifecycleStatus       string    `json:"lifecycleStatus"`
	TargetLifecycleStatus string    `json:"targetLifecycleStatus"`
	StartedAt             time.Time `json:"startedAt"`
	EndedAt               time.Time `json:"endedAt"`
}

// bounds say between which two answers the service began to show the change. After is zero if there was none.
type bounds struct {
	After  time.Time `json:"after"`
	Before time.Time `json:"before"`
	Exact  bool      `json:"exact"`
}

// worker is the worker as Farmwire last saw it.
type worker struct {
	Status   string `json:"status"`
	HostName string `json:"hostName"`
}

// readEvent decodes a record of the .events topic.
func readEvent(r *kgo.Record, arrived time.Time) (event, error) {
	e := event{Arrived: arrived}
	if err := json.Unmarshal(r.Value, &e); err != nil {
		return event{}, fmt.Errorf("read event at %s/%d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	for _, h := range r.Headers {
		switch h.Key {
		case "ce_id":
			e.ID = string(h.Value)
		case "ce_time":
			at, err := time.Parse(time.RFC3339Nano, string(h.Value))
			if err != nil {
				return event{}, fmt.Errorf("read ce_time of %s: %w", e.ID, err)
			}
			e.Time = at
		}
	}
	return e, nil
}
