package audit

import (
	"encoding/hex"
	"errors"
	"math"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
)

// session is what the audit keeps of a session. It is small, because there may be very many.
type session struct {
	next     uint64 // one more than the largest index of an event; 0 if none has one
	shows    uint64 // hash of the state that the newest event shows
	sequence uint32 // of the newest event
	ended    bool   // by the newest event

	// The same of the newest event that the state topic includes.
	storedEnded    bool
	storedSequence uint32 // 0: there is none
	shard          int32
	stored         uint64 // hash of the fields
}

// sessionKey is a session id of the documented form, packed.
type sessionKey [16]byte

// sessionPrefix begins the ids of sessions.
const sessionPrefix = "session-"

// packed returns the key of an id, and whether the id has the documented form: session- and 32 hexadecimal digits.
func packed(id []byte) (key sessionKey, ok bool) {
	if len(id) != len(sessionPrefix)+2*len(key) || string(id[:len(sessionPrefix)]) != sessionPrefix {
		return key, false
	}
	for _, c := range id[len(sessionPrefix):] {
		if 'A' <= c && c <= 'F' {
			return key, false // another id than with small letters
		}
	}
	_, err := hex.Decode(key[:], id[len(sessionPrefix):])
	return key, err == nil
}

// sessions are the sessions of a partition.
type sessions struct {
	packed map[sessionKey]session
	others map[string]session
}

func newSessions() sessions {
	return sessions{make(map[sessionKey]session), make(map[string]session)}
}

func (s sessions) get(id []byte) (session, bool) {
	if key, ok := packed(id); ok {
		found, ok := s.packed[key]
		return found, ok
	}
	found, ok := s.others[string(id)]
	return found, ok
}

func (s sessions) put(id []byte, to session) {
	if key, ok := packed(id); ok {
		s.packed[key] = to
		return
	}
	s.others[string(id)] = to
}

// each calls f for every session.
func (s sessions) each(f func(id string, of session)) {
	for key, of := range s.packed {
		f(sessionPrefix+hex.EncodeToString(key[:]), of)
	}
	for id, of := range s.others {
		f(strings.Clone(id), of)
	}
}

func (s sessions) len() uint64 { return uint64(len(s.packed) + len(s.others)) }

// partitionEvents checks a partition of the events topic. It is for one goroutine.
type partitionEvents struct {
	audit    *audit
	at       where // of the record that is read
	trimmed  bool  // the oldest records of the partition were deleted
	scanner  *scanner
	digester event.Digester
	record   event.Record
	fields   fields
	sessions sessions
	copies   *copies
	first    []int64 // by shard: the smallest index in the partition; none if there is none
	last     []int64 // by shard: the largest
	wasLog   bool    // an event with an index was read
	events   uint64
	unlogged uint64
}

func (a *audit) newPartitionEvents(partition int32, trimmed bool) *partitionEvents {
	p := &partitionEvents{
		audit: a, at: where{a.config.Consumer.EventsTopic(), partition, 0}, trimmed: trimmed, scanner: newScanner(a.seed), sessions: newSessions(),
		copies: a.copies[partition], first: make([]int64, len(a.logs)), last: make([]int64, len(a.logs)),
	}
	for i := range p.first {
		p.first[i], p.last[i] = none, none
	}
	return p
}

// convert returns a record that franz-go has read. The headers are valid until the next call.
func convert(k *kgo.Record, headers []event.Header) event.Record {
	headers = headers[:0]
	for i := range k.Headers {
		headers = append(headers, event.Header{Key: k.Headers[i].Key, Value: k.Headers[i].Value})
	}
	return event.Record{Key: k.Key, Value: k.Value, Headers: headers}
}

// visit takes the next record.
func (p *partitionEvents) visit(k *kgo.Record) {
	p.events++
	p.at.offset = k.Offset
	p.record = convert(k, p.record.Headers)
	digest := p.digester.Digest(p.record)
	f := &p.fields
	if err := p.scanner.read(f, p.record); err != nil {
		p.audit.found.add(unreadable(p.at, p.record.Key, err))
		if shard, index, ok := logPlace(p.record.Headers); ok {
			p.inLog(shard, index, digest)
		}
		return
	}
	twice := false
	p.audit.checkTime(p.at, k, f.recorded)
	p.audit.checkPartition(p.at, k.Key)
	if !f.logged {
		p.unlogged++
		if p.wasLog {
			p.found(EventUnlogged, "the event %s has no index in the log of a shard, although events with an index come before it", p.id())
		}
	} else {
		twice = p.inLog(f.shard, f.index, digest) == IndexTwice
		if want := p.audit.shardOf(f.worker); want != f.shard {
			p.found(WrongPartition, "the event %s is of the shard %d, and its worker is of the shard %d", p.id(), f.shard, want)
		}
	}
	isStored := !f.logged || f.shard < len(p.audit.logs) && f.index < p.audit.logs[f.shard].stored
	p.inSession(isStored)
	if f.copied() && !twice {
		shard := noShard
		if f.logged {
			shard = f.shard
		}
		p.copies.event(digest, shard, isStored, p.at, f.session, p.id())
	}
}

// forget drops what points into the records, which are large.
func (p *partitionEvents) forget() { p.record, p.fields = event.Record{}, fields{} }

// inLog puts the event into the log of its shard. It returns what is wrong with the index, or "".
func (p *partitionEvents) inLog(shard int, index uint64, digest [32]byte) Kind {
	p.wasLog = true
	if shard >= len(p.audit.logs) {
		p.found(WrongPartition, "the event is of the shard %d, and there are %d", shard, len(p.audit.logs))
		return WrongPartition
	}
	kind := p.audit.logs[shard].put(index, digest)
	switch kind {
	case IndexTwice:
		p.foundAt(kind, shard, index, "a second event of shard %d has the index %d", shard, index)
	case EventBeyond:
		p.foundAt(kind, shard, index, "an event of shard %d has the index %d, and the topic has never had so many records: the event is forged, or the topic was recreated", shard, index)
	default:
		if p.first[shard] == none {
			p.first[shard] = int64(index)
		}
		if int64(index) < p.last[shard] {
			p.foundAt(OrderWrong, shard, index, "the event of shard %d with the index %d comes after that with the index %d", shard, index, p.last[shard])
		}
		p.last[shard] = max(p.last[shard], int64(index))
	}
	return kind
}

// inSession checks what the event says against the events of the session before it.
func (p *partitionEvents) inSession(isStored bool) {
	f := &p.fields
	s, known := p.sessions.get(f.session)
	sequence := uint32(min(f.sequence, math.MaxUint32)) // no session has so many events
	switch {
	case !known && f.sequence != 1 && !p.trimmed:
		p.found(SequenceMissing, "the first event of the session has the sequence %d", f.sequence)
	case !known:
	case sequence <= s.sequence:
		p.found(SequenceTwice, "the session has an event with the sequence %d after one with %d", f.sequence, s.sequence)
	case sequence > s.sequence+1:
		p.found(SequenceMissing, "the session has an event with the sequence %d after one with %d", f.sequence, s.sequence)
	case s.ended:
		p.found(AfterEnd, "the session has an event with the sequence %d after its end", f.sequence)
	case f.previous != s.shows:
		p.found(PreviousDiffers, "the event with the sequence %d names another state before it than the event before shows", f.sequence)
	}
	if !known && f.sequence == 1 && f.previous != 0 {
		p.found(PreviousDiffers, "the first event of the session names a state before it")
	}
	if f.logged {
		if f.index+1 < s.next { // one that is used twice is found elsewhere
			p.found(OrderWrong, "the event of the session with the sequence %d has the index %d, after an event with the index %d", f.sequence, f.index, s.next-1)
		}
		s.next = max(s.next, f.index+1)
	}
	if sequence >= s.sequence {
		s.sequence, s.shows, s.ended = sequence, f.shows, f.ends()
	}
	if isStored && sequence >= s.storedSequence {
		s.storedSequence, s.stored, s.shard, s.storedEnded = sequence, f.stored, int32(f.shard), f.ends()
		if !f.logged {
			s.shard = none
		}
	}
	p.sessions.put(f.session, s)
}

// id returns the id of the event that is read.
func (p *partitionEvents) id() string {
	for i := range p.record.Headers {
		if p.record.Headers[i].Key == headerNames[atID] {
			return string(p.record.Headers[i].Value)
		}
	}
	return ""
}

// found adds a finding about the event that is read.
func (p *partitionEvents) found(kind Kind, format string, args ...any) {
	shard, index, ok := logPlace(p.record.Headers)
	if !ok {
		shard, index = none, 0
	}
	p.foundAt(kind, shard, index, format, args...)
}

func (p *partitionEvents) foundAt(kind Kind, shard int, index uint64, format string, args ...any) {
	f := place(kind, p.at, format, args...)
	f.Session = string(p.record.Key)
	if shard >= 0 {
		f.Shard, f.Index = shard, int64(index)
	}
	p.audit.found.add(f)
}

// unreadable returns the finding that a record cannot be read.
func unreadable(at where, key []byte, err error) Finding {
	f := place(Malformed, at, "%v", err)
	if errors.Is(err, event.ErrUnknown) {
		f = place(Unknown, at, "a newer version of Farmwire wrote the record, and only that version can check it: %v", err)
	}
	f.Session = string(key)
	return f
}
