package publisher

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/diff"
)

// longestSession is a session whose fields are as long as they may be, of the bytes that take the most room in JSON.
func longestSession() diff.Session {
	long := func(last string) string { return strings.Repeat("\x01", 4<<10-1) + last }
	return diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: long("f"), FleetID: long("l"), WorkerID: long("w")},
		QueueID:   long("q"), JobID: long("j"), SessionID: long("s"),
		LifecycleStatus: long("t"), TargetLifecycleStatus: long("u"),
		StartedAt: epoch, EndedAt: epoch.Add(time.Hour),
	}
}

// The longest event and the longest state of a session fit into LongestRecord.
func TestLongestRecord(t *testing.T) {
	c := Config{TopicPrefix: "longest", Region: "ap-southeast-2"}
	limits := make(map[string]int)
	for _, name := range c.Topics() {
		limits[name] = LongestRecord
	}
	e := newEncoder(c, 0, 1, limits)
	e.reset(epoch)
	s := longestSession()
	before := s
	e.addSession([]diff.Change{{Kind: diff.Ended, Sequence: 1 << 60, Session: s, Previous: &before, Seen: epoch, Observed: diff.Bounds{After: epoch, Before: epoch}}},
		&diff.WorkerStatus{Status: s.LifecycleStatus, HostName: s.WorkerID})
	for _, o := range e.outgoing() {
		size := len(o.batches[0].bytes)
		t.Logf("%s: %d bytes", o.topic, size)
		if size > LongestRecord {
			t.Errorf("a record of %s has %d bytes, more than %d", o.topic, size, LongestRecord)
		}
		if _, err := o.seal(identity{1, 1}, 0, epoch, CompressionNone); err != nil {
			t.Error(err)
		}
	}
}

// A record that is too large for its topic is named, with its size and the limit, before anything is sent. It is also named
// if the topic's limit was lowered after the shard was acquired.
func TestTooLargeRecordsAreNamed(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p := testOpen(t, c)
		s := acquire(t, p, 0)
		large := session(1, 1)
		large.QueueID = strings.Repeat("q", defaultBatchLimit)
		for says, limit := range map[string]int{"is too large": defaultBatchLimit, "does not accept": 4 * defaultBatchLimit} {
			for _, topic := range s.encoder.to {
				for _, o := range topic {
					o.limit = limit
				}
			}
			err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 2)), started(large))})
			if kindOf(err) != RecordTooLarge || errors.Is(err, ErrRefused) {
				t.Errorf("a limit of %d: %v", limit, err)
				continue
			}
			for _, want := range []string{says, large.SessionID, c.TopicPrefix + ".", strconv.Itoa(limit), maxBatch} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is missing in %v", want, err)
				}
			}
			s = acquire(t, p, 0)
		}
		if err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 3)))}); err != nil {
			t.Error(err)
		}
	})
}
