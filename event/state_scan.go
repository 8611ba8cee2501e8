package event

import (
	"bytes"
	"time"

	"farmwire/diff"
)

// ScannedSession is a session's record in the state topic, read without copying. It is for programs that read very many
// records: a restore may read a million, and needs only the ids of most of them. Its slices point into the scanned value.
type ScannedSession struct {
	Farm, Fleet, Worker, Session []byte // ids
	Vanished                     bool

	sequence        uint64
	queue, job      []byte
	status, target  []byte // target: nil if none
	startedAt       []byte
	endedAt, seenAt []byte // nil if none
	missingAt       []byte // nil if none
}

// Ended reports whether the session has ended or vanished.
func (r *ScannedSession) Ended() bool {
	return r.Vanished || r.endedAt != nil || string(r.status) == diff.StatusEnded
}

// Scan reads a value in the form in which AppendSession writes it, without allocating. It reports false for every other form
// and for strings with an escape. DecodeState reads those. Scan does not check the times; Record does.
func (r *ScannedSession) Scan(v []byte) bool {
	if bytes.IndexByte(v, '\\') >= 0 {
		return false // a string with an escape
	}
	s := scanner{all: v}
	s.literal(`{"schema":1,"sequence":`)
	r.sequence = s.number()
	s.literal(`,"session":{"farmId":`)
	r.Farm = s.text()
	s.literal(`,"fleetId":`)
	r.Fleet = s.text()
	s.literal(`,"workerId":`)
	r.Worker = s.text()
	s.literal(`,"queueId":`)
	r.queue = s.text()
	s.literal(`,"jobId":`)
	r.job = s.text()
	s.literal(`,"sessionId":`)
	r.Session = s.text()
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
	r.Vanished = s.accept(`,"vanished":true`)
	r.missingAt = nil
	if s.accept(`,"missing":`) {
		r.missingAt = s.text()
	}
	s.literal(`}`)
	return !s.failed && s.at == len(s.all)
}

// scanner reads one token after the other, and fails at the first one that is not what was expected. It advances an index
// and does not reslice, because storing a slice costs a write barrier while the garbage collector runs.
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

// text reads a string. Scan has made sure that there are no escapes.
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

// optional reads a string or null.
func (s *scanner) optional() []byte {
	if s.accept("null") {
		return nil
	}
	return s.text()
}

// Record returns a copy of what was scanned. The error is ErrMalformed if a time cannot be parsed.
func (r *ScannedSession) Record() (diff.Record, error) {
	out := diff.Record{
		Session: diff.Session{
			WorkerKey:             diff.WorkerKey{FarmID: string(r.Farm), FleetID: string(r.Fleet), WorkerID: string(r.Worker)},
			QueueID:               string(r.queue),
			JobID:                 string(r.job),
			SessionID:             string(r.Session),
			LifecycleStatus:       string(r.status),
			TargetLifecycleStatus: string(r.target),
		},
		Sequence: r.sequence,
		Vanished: r.Vanished,
	}
	for _, t := range []struct {
		text []byte
		at   *time.Time
	}{{r.startedAt, &out.Session.StartedAt}, {r.endedAt, &out.Session.EndedAt}, {r.seenAt, &out.Seen}, {r.missingAt, &out.Missing}} {
		if t.text == nil {
			continue
		}
		at, err := time.Parse(time.RFC3339, string(t.text))
		if err != nil {
			return out, malformed("the state record of %s: %w", r.Session, err)
		}
		*t.at = at
	}
	return out, nil
}
