package publisher

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"farmwire/diff"
)

// stateRecord is a session's record as it stands in the log; the bytes are the log's.
type stateRecord struct {
	sequence                   uint64
	farm, fleet, worker        []byte
	queue, job, session        []byte
	status, target             []byte // target: nil if none
	startedAt, endedAt, seenAt []byte // endedAt: nil if none
	vanished                   bool
}

// ended reports whether the session is only to be remembered.
func (r *stateRecord) ended() bool {
	return r.vanished || r.endedAt != nil || string(r.status) == diff.StatusEnded
}

// scanState reads a value exactly as appendState writes it, without allocating: a restore reads a
// million of them. It reports false for every other form, which is then read as JSON.
func scanState(v []byte, r *stateRecord) bool {
	if bytes.IndexByte(v, '\\') >= 0 {
		return false // a string with an escape
	}
	s := scanner{all: v}
	s.literal(`{"schema":1,"sequence":`)
	r.sequence = s.number()
	s.literal(`,"session":{"farmId":`)
	r.farm = s.text()
	s.literal(`,"fleetId":`)
	r.fleet = s.text()
	s.literal(`,"workerId":`)
	r.worker = s.text()
	s.literal(`,"queueId":`)
	r.queue = s.text()
	s.literal(`,"jobId":`)
	r.job = s.text()
	s.literal(`,"sessionId":`)
	r.session = s.text()
	s.literal(`,"lifecycleStatus":`)
	r.status = s.text()
	s.literal(`,"targetLifecycleStatus":`)
	r.target = s.optional()
	s.literal(`,"startedAt":`)
	r.startedAt = s.optional()
	s.literal(`,"endedAt":`)
	r.endedAt = s.optional()
	s.literal(`},"seen":`)
	r.seenAt = s.optional()
	r.vanished = s.accept(`,"vanished":true`)
	s.literal(`}`)
	return !s.failed && s.at == len(s.all)
}

// scanner takes one piece after the other from the text, until one is not what was expected. It moves a number and
// no slice, which would cost a write barrier at each step while the garbage collector runs.
type scanner struct {
	all    []byte
	at     int
	failed bool
}

func (s *scanner) accept(text string) bool {
	end := s.at + len(text)
	if end > len(s.all) || string(s.all[s.at:end]) != text {
		return false
	}
	s.at = end
	return true
}

func (s *scanner) literal(text string) {
	if !s.accept(text) {
		s.fail()
	}
}

func (s *scanner) fail() { s.failed, s.at = true, len(s.all) }

func (s *scanner) number() uint64 {
	var n uint64
	from := s.at
	for s.at < len(s.all) && s.at-from < 18 && s.all[s.at]-'0' <= 9 {
		n = n*10 + uint64(s.all[s.at]-'0')
		s.at++
	}
	s.failed = s.failed || s.at == from
	return n
}

// text takes a string; there are no escapes in what is scanned.
func (s *scanner) text() []byte {
	if s.at >= len(s.all) || s.all[s.at] != '"' {
		s.fail()
		return nil
	}
	from := s.at + 1
	n := bytes.IndexByte(s.all[from:], '"')
	if n < 0 {
		s.fail()
		return nil
	}
	s.at = from + n + 1
	return s.all[from : from+n]
}

// optional takes a string or null.
func (s *scanner) optional() []byte {
	if s.accept("null") {
		return nil
	}
	return s.text()
}

// record copies what was scanned.
func (r *stateRecord) record() (diff.Record, error) {
	out := diff.Record{
		Session: diff.Session{
			WorkerKey:             diff.WorkerKey{FarmID: string(r.farm), FleetID: string(r.fleet), WorkerID: string(r.worker)},
			QueueID:               string(r.queue),
			JobID:                 string(r.job),
			SessionID:             string(r.session),
			LifecycleStatus:       string(r.status),
			TargetLifecycleStatus: string(r.target),
		},
		Sequence: r.sequence,
		Vanished: r.vanished,
	}
	for _, t := range []struct {
		text []byte
		at   *time.Time
	}{{r.startedAt, &out.Session.StartedAt}, {r.endedAt, &out.Session.EndedAt}, {r.seenAt, &out.Seen}} {
		if t.text == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, string(t.text))
		if err != nil {
			return out, fmt.Errorf("state record of %s: %w", r.session, err)
		}
		*t.at = at
	}
	return out, nil
}

// decodeState reads any JSON with the members of a session's record. The schema is returned even if
// the rest makes no sense to this version.
func decodeState(value []byte) (record diff.Record, found int, err error) {
	var versioned struct {
		Schema int
	}
	if err := json.Unmarshal(value, &versioned); err != nil {
		return record, 0, fmt.Errorf("state record: %w", err)
	}
	if versioned.Schema > schema {
		return record, versioned.Schema, nil
	}
	var v struct {
		Sequence uint64
		Session  struct {
			FarmID, FleetID, WorkerID, QueueID, JobID, SessionID string
			LifecycleStatus                                      string
			TargetLifecycleStatus                                *string
			StartedAt, EndedAt                                   *time.Time
		}
		Seen     *time.Time
		Vanished bool
	}
	if err := json.Unmarshal(value, &v); err != nil {
		return record, versioned.Schema, fmt.Errorf("state record: %w", err)
	}
	record = diff.Record{
		Session: diff.Session{
			WorkerKey:       diff.WorkerKey{FarmID: v.Session.FarmID, FleetID: v.Session.FleetID, WorkerID: v.Session.WorkerID},
			QueueID:         v.Session.QueueID,
			JobID:           v.Session.JobID,
			SessionID:       v.Session.SessionID,
			LifecycleStatus: v.Session.LifecycleStatus,
		},
		Sequence: v.Sequence,
		Vanished: v.Vanished,
	}
	if v.Session.TargetLifecycleStatus != nil {
		record.Session.TargetLifecycleStatus = *v.Session.TargetLifecycleStatus
	}
	for _, t := range []struct{ from, to *time.Time }{
		{v.Session.StartedAt, &record.Session.StartedAt}, {v.Session.EndedAt, &record.Session.EndedAt}, {v.Seen, &record.Seen},
	} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	return record, versioned.Schema, nil
}
