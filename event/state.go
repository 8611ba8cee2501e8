package event

import (
	"encoding/json"
	"strings"
	"time"

	"farmwire/diff"
)

// The state topic holds the last known state of every session. It is compacted, its partitions are the shards, and a
// session is in the shard of its worker, not in the partition of its key. It holds these kinds of records:
//
//	key <session id>  {"schema":1,"sequence":3,"session":{…the ten fields of the event…},"seen":"…Z"}
//	                  with ,"vanished":true at the end if the service stopped knowing the session without showing
//	                  its end, or ,"missing":"…Z" if it said that the session's queue, fleet or farm does not exist.
//	                  A null value says that the session was forgotten
//	key watch         {"schema":1,"region":…,"partitions":…,"initial":…,
//	                  "farms":{id:{"listed":…}},"fleets":{id:{"since":…,"farm":id}}}
//	                  with ,"gone":"…Z" in a farm or fleet that is not listed any more, and ,"published":"began" or "ended" in a
//	                  fleet of whose watch the coverage topic was told
//	key log           {"schema":1,"size":…,"head":"…"}
//	                  the chain of the shard's events, see Chain
//	key coverage      {"schema":1,"shard":…,"alive":"…Z","watermark":{…},"behind":[…],"gaps":[…],"next":{"n":…,"gap":…,"head":"…"}}
//	                  what the next owner of the shard must know of its coverage, see CoverageState
//	key workers       {"schema":1,"workers":{id:{id:[…ids…]}}}
//	                  the workers of the shard that exist, by farm and fleet
//	key absent.<farm id>/<fleet id>/<worker id>
//	                  {"schema":1,"marks":[{"since":"…Z","sessions":[…ids…]}]}
//	                  which ended sessions of a worker the service does not list any more, and since when. Null in place
//	                  of the ids stands for all of them. A null value says that there are none

// Schema is the version of the state records that are written, and the newest that is read.
const Schema = 1

// WatchKey is the key of the watch record.
const WatchKey = "watch"

// State is a decoded record of the state topic. One of the fields after Key is set. In the tombstone of a session
// none is, and in that of absences they have no marks.
type State struct {
	Key      string           // the session id, or a key for which IsOwnKey reports true
	Session  *diff.Record     // the last state of a session
	Watch    *WatchRecord     // what a shard knows besides its sessions
	Absences *diff.Absences   // which ended sessions of a worker are not listed any more
	Log      *Chain           // the chain of the shard's events
	Coverage *CoverageState   // up to when everything was looked at, and what could not be looked at
	Workers  []diff.WorkerKey // the workers of the shard that exist; not nil in their record
}

// Forgotten reports whether the record is a tombstone, by which Farmwire forgets what it stored under the key.
func (s State) Forgotten() bool {
	isOther := s.Watch != nil || s.Log != nil || s.Coverage != nil || s.Workers != nil
	return s.Session == nil && !isOther && (s.Absences == nil || len(s.Absences.Marks) == 0)
}

// DecodeState reads a record of the state topic.
//
// The error is ErrUnknown if the kind of record is not known or its schema is newer than Schema, and ErrMalformed if the
// record breaks the wire form.
func DecodeState(key, value []byte) (State, error) {
	s := State{Key: string(key)}
	var err error
	switch {
	case strings.HasPrefix(s.Key, absentPrefix):
		s.Absences, err = pointer(decodeAbsences(s.Key, value))
	case value == nil:
	case s.Key == WatchKey:
		s.Watch, err = pointer(decodeWatch(value))
	case s.Key == LogKey:
		s.Log, err = pointer(decodeLog(value))
	case s.Key == CoverageKey:
		s.Coverage, err = pointer(decodeCoverageState(value))
	case s.Key == WorkersKey:
		s.Workers, err = decodeWorkers(value)
	default:
		s.Session, err = pointer(decodeSession(key, value))
	}
	if err != nil {
		return State{}, err
	}
	return s, nil
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

// AppendSession appends the value of a session's record.
func AppendSession(b []byte, r *diff.Record) []byte {
	b = appendNumber(b, `{"schema":1,"sequence":`, r.Sequence)
	b = append(b, `,"session":`...)
	b = appendSessionFields(b, &r.Session)
	b = appendInstant(b, `,"seen":`, r.Seen)
	if r.Vanished {
		b = append(b, `,"vanished":true`...)
	}
	if !r.Missing.IsZero() {
		b = appendInstant(b, `,"missing":`, r.Missing)
	}
	return append(b, '}')
}

// decodeSession reads any JSON with the members of a session's record.
func decodeSession(key, value []byte) (diff.Record, error) {
	var v struct {
		Sequence uint64         `json:"sequence"`
		Session  *sessionFields `json:"session"`
		Seen     instant        `json:"seen"`
		Vanished bool           `json:"vanished"`
		Missing  instant        `json:"missing"`
	}
	if err := unmarshalState(value, &v); err != nil {
		return diff.Record{}, err
	}
	if v.Session == nil {
		return diff.Record{}, unknown("a state record with the key %q", key)
	}
	session := v.Session.session()
	if session.SessionID != string(key) {
		return diff.Record{}, malformed("the key is %q and the value is of the session %q", key, session.SessionID)
	}
	return diff.Record{
		Session: session, Sequence: v.Sequence, Seen: time.Time(v.Seen), Vanished: v.Vanished, Missing: time.Time(v.Missing),
	}, nil
}

// unmarshalState reads the value of a state record. It reads the schema first, because the members of a newer schema may have
// types that this version cannot read.
func unmarshalState(value []byte, into any) error {
	var versioned struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(value, &versioned); err != nil {
		return malformed("a state record: %w", err)
	}
	if versioned.Schema > Schema {
		return unknown("a state record with schema %d; the newest that is known is %d", versioned.Schema, Schema)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return malformed("a state record: %w", err)
	}
	return nil
}
