package audit

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// fields are what the audit needs of an event. Its slices are valid until the next record is read.
type fields struct {
	session, worker []byte // ids
	kind            diff.Kind
	sequence        uint64
	snapshot        bool
	logged          bool // it has a shard and an index
	shard           int
	index           uint64
	recorded        time.Time

	stored   uint64 // hash of the ten fields of the session
	shows    uint64 // hash of the status, the target and the end of the session
	previous uint64 // the same of the state before; 0 if there is none
}

// ends reports whether nothing may follow the event.
func (f *fields) ends() bool { return f.kind == diff.Ended || f.kind == diff.Vanished }

// copied reports whether the ended topic has a copy of the event.
func (f *fields) copied() bool { return f.kind == diff.Ended && !f.snapshot }

// hasher computes hashes of parts of sessions. All hashers of an audit have the same seed.
type hasher struct {
	hash   maphash.Hash
	buffer []byte
}

func newHasher(seed maphash.Seed) *hasher {
	h := new(hasher)
	h.hash.SetSeed(seed)
	return h
}

// of returns a hash of some texts, which is never 0.
func (h *hasher) of(texts ...[]byte) uint64 {
	h.hash.Reset()
	for _, text := range texts {
		_, _ = h.hash.Write(text)
		_ = h.hash.WriteByte(0)
	}
	return h.hash.Sum64() | 1
}

// The frame of a session in the value of a state record with the sequence 0 and without the time when it was seen.
const (
	sessionBefore = `{"schema":1,"sequence":0,"session":`
	sessionAfter  = `,"seen":null}`
)

// session returns the hashes of a session that was decoded. They are those of its text as events have it.
func (h *hasher) session(s diff.Session) (stored, shows uint64) {
	h.buffer = event.AppendSession(h.buffer[:0], &diff.Record{Session: s})
	text := h.buffer[len(sessionBefore) : len(h.buffer)-len(sessionAfter)]
	from := bytes.Index(text, []byte(statusMember)) + len(statusMember)
	to := bytes.LastIndex(text, []byte(targetMember))
	startedAt := bytes.LastIndex(text, []byte(startedMember))
	endedAt := bytes.LastIndex(text, []byte(endedMember))
	return h.of(text), h.of(text[from:to], text[to+len(targetMember):startedAt], text[endedAt+len(endedMember):len(text)-1])
}

// The members that come before what the hash of a state is computed from.
const (
	statusMember  = `,"lifecycleStatus":`
	targetMember  = `,"targetLifecycleStatus":`
	startedMember = `,"startedAt":`
	endedMember   = `,"endedAt":`
)

// decode reads an event with package event. It takes any form that the contract allows.
func (f *fields) decode(r event.Record, h *hasher) error {
	e, err := event.Decode(r.Key, r.Value, r.Headers)
	if err != nil {
		return err
	}
	*f = fields{
		session: r.Key, worker: []byte(e.Session.WorkerID), kind: e.Kind, sequence: e.Sequence, snapshot: e.Snapshot,
		logged: e.Logged, shard: e.Shard, index: e.LogIndex, recorded: e.RecordedTime,
	}
	f.stored, f.shows = h.session(e.Session)
	if e.Previous != nil {
		_, f.previous = h.session(*e.Previous)
	}
	return nil
}

// isPlain reports whether a text has only printable ASCII characters other than a backslash. It looks at eight bytes at a time.
func isPlain(text []byte) bool {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	zero := func(x uint64) uint64 { return (x - ones) &^ x & highs } // not 0 if one of the bytes is
	for ; len(text) >= 8; text = text[8:] {
		x := binary.LittleEndian.Uint64(text)
		control := (x - ' '*ones) &^ x
		if (x|control)&highs|zero(x^'\\'*ones)|zero(x^0x7f*ones) != 0 {
			return false
		}
	}
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}
