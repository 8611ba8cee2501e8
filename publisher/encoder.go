package publisher

import (
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// encoder collects what one transaction of a shard writes, by partition. Its buffers are used again.
type encoder struct {
	region     string
	at         time.Time // the records' time
	events     int       // so far
	states     int
	byKind     map[diff.Kind]int
	partitions partitioner
	toEvents   []*outgoing // by partition
	toEnded    []*outgoing
	toState    *outgoing
	event      event.Encoder
	key, value []byte
	out        []*outgoing
}

// batchLimits are the largest batches that the topics take, in bytes.
type batchLimits struct {
	events, ended, state int
}

func newEncoder(c Config, shard, partitions int, limits batchLimits) *encoder {
	e := &encoder{
		region:     c.Region,
		byKind:     make(map[diff.Kind]int),
		partitions: newPartitioner(partitions),
		toState:    &outgoing{topicPartition: topicPartition{c.StateTopic(), int32(shard)}, limit: limits.state},
	}
	for i := range int32(partitions) {
		e.toEvents = append(e.toEvents, &outgoing{topicPartition: topicPartition{c.EventsTopic(), i}, limit: limits.events})
		e.toEnded = append(e.toEnded, &outgoing{topicPartition: topicPartition{c.EndedTopic(), i}, limit: limits.ended})
	}
	return e
}

// reset forgets what was collected. The records' time does not go back.
func (e *encoder) reset(at time.Time) {
	if at.After(e.at) {
		e.at = at
	}
	e.events, e.states = 0, 0
	clear(e.byKind)
	for i := range e.toEvents {
		e.toEvents[i].reset()
		e.toEnded[i].reset()
	}
	e.toState.reset()
}

// outgoing is what was collected, partition by partition, the topics one after the other.
func (e *encoder) outgoing() []*outgoing {
	e.out = e.out[:0]
	for _, topic := range [][]*outgoing{e.toEvents, e.toEnded, {e.toState}} {
		for _, o := range topic {
			if o.used > 0 {
				e.out = append(e.out, o)
			}
		}
	}
	return e.out
}

// addSession adds the changes of one session and the state that they end in.
func (e *encoder) addSession(changes []diff.Change, status *diff.WorkerStatus) {
	to := e.partitions.of(changes[0].Session.SessionID)
	for i := range changes {
		c := &changes[i]
		record := e.event.Encode(c, event.Envelope{Region: e.region, Status: status, Recorded: e.at})
		e.toEvents[to].append(record.Key, record.Value, record.Headers)
		if c.Kind == diff.Ended && !c.Snapshot {
			e.toEnded[to].append(record.Key, record.Value, record.Headers)
		}
		e.byKind[c.Kind]++
	}
	e.events += len(changes)
	last := &changes[len(changes)-1]
	e.addRecord(&diff.Record{
		Session:  last.Session,
		Sequence: last.Sequence,
		Seen:     last.Seen,
		Vanished: last.Kind == diff.Vanished,
	})
}

func (e *encoder) addRecord(r *diff.Record) {
	e.key = append(e.key[:0], r.Session.SessionID...)
	e.value = event.AppendSession(e.value[:0], r)
	e.toState.append(e.key, e.value, nil)
	e.states++
}

func (e *encoder) addTombstone(sessionID string) {
	e.key = append(e.key[:0], sessionID...)
	e.toState.append(e.key, nil, nil)
	e.states++
}

func (e *encoder) addWatch(w event.WatchRecord) {
	e.value = event.AppendWatch(e.value[:0], w)
	e.toState.append([]byte(event.WatchKey), e.value, nil)
	e.states++
}
