package event_test

import (
	"errors"
	"fmt"
	"log"

	"farmwire/event"
)

// A consumer hands Decode the key, the value and the headers of a record, whatever client it reads with. It skips what a
// newer Farmwire may have added.
func ExampleDecode() {
	const session = "session-0123456789abcdef0123456789abcdef"
	key := []byte(session)
	value := []byte(`{"change":"ended","sequence":3,"inferred":false,"snapshot":false,
		"session":{"farmId":"farm-1","fleetId":"fleet-1","workerId":"worker-1","queueId":"queue-1","jobId":"job-1",
			"sessionId":"` + session + `","lifecycleStatus":"ENDED","targetLifecycleStatus":"ENDED",
			"startedAt":"2026-03-01T12:00:00.000Z","endedAt":"2026-03-01T12:45:30.000Z"},
		"previous":{"lifecycleStatus":"STARTED","targetLifecycleStatus":null,"endedAt":null},
		"observed":{"after":"2026-03-01T12:45:25.120Z","before":"2026-03-01T12:45:40.310Z","exact":true},
		"worker":{"status":"RUNNING","hostName":"render-7"}}`)
	var headers []event.Header
	for name, text := range map[string]string{
		"ce_specversion":  "1.0",
		"ce_id":           session + ".000003",
		"ce_source":       "/deadline/eu-west-1/farm-1/fleet-1/worker-1",
		"ce_type":         "farmwire.session.ended.v1",
		"ce_subject":      session,
		"ce_time":         "2026-03-01T12:45:30.000Z",
		"ce_sequence":     "000003",
		"ce_partitionkey": session,
		"ce_recordedtime": "2026-03-01T12:45:40.500Z",
		"ce_dataschema":   "urn:farmwire:session:v1",
		"content-type":    "application/json",
	} {
		headers = append(headers, event.Header{Key: name, Value: []byte(text)})
	}

	e, err := event.Decode(key, value, headers)
	switch {
	case errors.Is(err, event.ErrUnknown):
		return // skip it
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(e.Kind, "in", e.Region, "on", e.Status.HostName)
	fmt.Println("ran for", e.Session.EndedAt.Sub(e.Session.StartedAt))
	fmt.Println("was", e.Previous.LifecycleStatus, "until", e.Time.Format("15:04:05"))
	// Output:
	// ended in eu-west-1 on render-7
	// ran for 45m30s
	// was STARTED until 12:45:30
}
