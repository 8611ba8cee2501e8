package audit

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
)

// storedSession is the state record of an open session.
type storedSession struct {
	at       where
	sequence uint64
	fields   uint64 // hash
}

// ownRecord is a record of Farmwire's own.
type ownRecord struct {
	at    where
	value []byte
}

// shardState is what a partition of the state topic holds.
type shardState struct {
	audit    *audit
	at       where // of the record that is read
	hasher   *hasher
	scanned  event.ScannedSession
	newest   map[string]ownRecord // by key: records of which only the newest is decoded, because there is one for each transaction
	open     map[string]storedSession
	log      *event.Chain
	coverage *event.CoverageState
	records  uint64
}

func (a *audit) newShardState(partition int32) *shardState {
	return &shardState{audit: a, at: where{a.config.Consumer.StateTopic(), partition, 0}, hasher: newHasher(a.seed), open: make(map[string]storedSession), newest: make(map[string]ownRecord)}
}

// visit takes the next record.
func (s *shardState) visit(k *kgo.Record) {
	s.records++
	s.at.offset = k.Offset
	if s.scanned.Scan(k.Value) && string(s.scanned.Session) == string(k.Key) {
		if s.scanned.Ended() {
			delete(s.open, string(k.Key))
		} else if record, err := s.scanned.Record(); err != nil {
			s.audit.found.add(unreadable(s.at, k.Key, err))
		} else {
			s.session(&record)
		}
		return
	}
	if key := string(k.Key); key == event.LogKey || key == event.CoverageKey {
		s.newest[key] = ownRecord{s.at, k.Value}
		return
	}
	state, err := event.DecodeState(k.Key, k.Value)
	switch {
	case err != nil:
		s.audit.found.add(unreadable(s.at, k.Key, err))
	case state.Session != nil:
		s.session(state.Session)
	case state.Forgotten():
		delete(s.open, state.Key)
	}
}

// forget decodes the newest of Farmwire's own records, and drops what points into the records, which are large.
func (s *shardState) forget() {
	for key, r := range s.newest {
		state, err := event.DecodeState([]byte(key), r.value)
		switch {
		case err != nil:
			s.audit.found.add(unreadable(r.at, []byte(key), err))
		case key == event.LogKey:
			s.log = state.Log
		default:
			s.coverage = state.Coverage
		}
	}
	clear(s.newest)
	s.scanned = event.ScannedSession{}
}

func (s *shardState) session(r *diff.Record) {
	if want := s.audit.shardOf([]byte(r.Session.WorkerID)); want != int(s.at.partition) {
		s.audit.found.add(place(WrongPartition, s.at, "the state of %s is in the partition %d, and its worker is of the shard %d", r.Session.SessionID, s.at.partition, want))
	}
	if r.Vanished || r.Session.LifecycleStatus == diff.StatusEnded || !r.Session.EndedAt.IsZero() {
		delete(s.open, r.Session.SessionID)
		return
	}
	fields, _ := s.hasher.session(r.Session)
	s.open[r.Session.SessionID] = storedSession{s.at, r.Sequence, fields}
}

// chains returns how many events and coverage records the shard had published.
func (s *shardState) chains() (log, coverage event.Chain) {
	if s.log != nil {
		log = *s.log
	}
	if s.coverage != nil {
		coverage = s.coverage.Log
	}
	return log, coverage
}

// compareStates compares the stored states of open sessions with the sessions of the events, both ways.
func (a *audit) compareStates() {
	unmatched := make(map[string]storedSession)
	shards := make(map[string]int)
	for shard, s := range a.states {
		for id, stored := range s.open {
			unmatched[id], shards[id] = stored, shard
		}
	}
	for _, events := range a.events {
		events.sessions.each(func(id string, of session) {
			stored, there := unmatched[id]
			isOpen := of.storedSequence > 0 && !of.storedEnded
			finding := func(kind Kind, format string, args ...any) {
				f := about(kind, int(of.shard), none, format, args...)
				if there {
					f = place(kind, stored.at, format, args...)
					f.Shard = shards[id]
				}
				f.Session = id
				a.found.add(f)
			}
			switch {
			case !isOpen && there && stored.sequence == 0 && of.storedSequence == 0: // its first event was published later
			case !isOpen && there:
				finding(StateInvented, "the session is open by the state topic, and by its events it is not")
			case isOpen && !there:
				finding(StateMissing, "the session is open by its events, and the state topic does not have it as open")
			case isOpen && stored.sequence != uint64(of.storedSequence):
				finding(StateWrong, "the session has the sequence %d by the state topic, and %d by its events", stored.sequence, of.storedSequence)
			case isOpen && stored.fields != of.stored:
				finding(StateWrong, "the state topic and the newest event of the session have the sequence %d, and show another session", stored.sequence)
			case isOpen && of.shard != none && int(of.shard) != shards[id]:
				finding(StateWrong, "the state is in the partition %d, and the events are of the shard %d", shards[id], of.shard)
			}
			delete(unmatched, id)
		})
	}
	for id, stored := range unmatched {
		// A session with the sequence 0 was open when the watch began, and nothing was published of it.
		if stored.sequence == 0 || a.events[a.partitionOf([]byte(id))].trimmed {
			continue
		}
		f := place(StateInvented, stored.at, "the session has the sequence %d by the state topic, and it has no event", stored.sequence)
		f.Session, f.Shard = id, shards[id]
		a.found.add(f)
	}
}
