package publisher

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"farmwire/diff"
	"farmwire/event"
)

// encoder collects what one transaction of a shard writes, by partition. The next transaction uses its buffers again.
type encoder struct {
	config     Config
	shard      int
	log        event.Chain // of the events, with those that are collected
	coverage   event.Chain // of the coverage records, with those that are collected
	workers    []byte      // the last value of the workers' record
	at         time.Time   // the timestamp of the records
	events     int         // how many events are collected
	states     int         // how many records of the state topic are collected
	byKind     map[diff.Kind]int
	partitions partitioner
	to         [topicCount][]*outgoing // by partition; for the state topic only the shard's own
	event      event.Encoder
	digester   event.Digester
	key, value []byte
	out        []*outgoing
}

// newEncoder makes the encoder of a shard. limits are the sizes of the largest batches that the topics accept, in bytes, by
// the topics' names.
func newEncoder(c Config, shard, partitions int, limits map[string]int) *encoder {
	e := &encoder{
		config:     c,
		shard:      shard,
		byKind:     make(map[diff.Kind]int),
		partitions: newPartitioner(partitions),
	}
	for r := range topicCount {
		for _, at := range c.partitionsOf(r, shard, partitions) {
			e.to[r] = append(e.to[r], &outgoing{topicPartition: at, limit: limits[at.topic]})
		}
	}
	return e
}

// reset forgets what was collected. The timestamp of the records does not go back.
func (e *encoder) reset(at time.Time) {
	if at.After(e.at) {
		e.at = at
	}
	e.events, e.states = 0, 0
	clear(e.byKind)
	for _, topic := range e.to {
		for _, o := range topic {
			o.reset()
		}
	}
}

// outgoing returns what was collected, by topic and partition.
func (e *encoder) outgoing() []*outgoing {
	e.out = e.out[:0]
	for _, topic := range e.to {
		for _, o := range topic {
			if o.used > 0 {
				e.out = append(e.out, o)
			}
		}
	}
	return e.out
}

// topicsOf returns the topics that an event is written to.
func topicsOf(c *diff.Change) []role {
	if c.Kind == diff.Ended && !c.Snapshot {
		return []role{eventsTopic, endedTopic}
	}
	return []role{eventsTopic}
}

// eventPartitions returns the partitions that an event is written to.
func (e *encoder) eventPartitions(c *diff.Change) (all []topicPartition) {
	for _, r := range topicsOf(c) {
		all = append(all, e.to[r][e.partitions.of(c.Session.SessionID)].topicPartition)
	}
	return all
}

// addSession adds the changes of one session, and the state after the last of them.
func (e *encoder) addSession(changes []diff.Change, status *diff.WorkerStatus) {
	to := e.partitions.of(changes[0].Session.SessionID)
	for i := range changes {
		c := &changes[i]
		record := e.event.Encode(c, event.Envelope{
			Region: e.config.Region, Status: status, Recorded: e.at, Shard: e.shard, LogIndex: e.log.Size,
		})
		e.log.Add(e.digester.Digest(record))
		for _, r := range topicsOf(c) {
			e.to[r][to].append(record.Key, record.Value, record.Headers)
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
	e.addState(e.key, e.value)
}

func (e *encoder) addTombstone(sessionID string) {
	e.key = append(e.key[:0], sessionID...)
	e.addState(e.key, nil)
}

// addAbsences adds a worker's record of absences, or its tombstone. What a batch of the topic cannot hold is left out, so that
// it has to be observed again after the next restore.
func (e *encoder) addAbsences(a diff.Absences) {
	e.key = event.AppendAbsencesKey(e.key[:0], a.Worker)
	room := e.to[stateTopic][0].limit - batchHeaderSize - maxRecordOverhead - len(e.key)
	if e.value = event.AppendAbsences(e.value[:0], a, room); len(e.value) == 0 {
		e.addState(e.key, nil)
		return
	}
	e.addState(e.key, e.value)
}

func (e *encoder) addWatch(w event.WatchRecord) {
	e.value = event.AppendWatch(e.value[:0], w)
	e.addState([]byte(event.WatchKey), e.value)
}

// addLog adds the record of the shard's log.
func (e *encoder) addLog() {
	e.value = event.AppendLog(e.value[:0], e.log)
	e.addState([]byte(event.LogKey), e.value)
}

// addCoverage adds coverage records, and what the shard stores of its coverage.
func (e *encoder) addCoverage(c Coverage) error {
	for _, r := range c.Records {
		env := event.CoverageEnvelope{
			Region: e.config.Region, StateTopic: e.config.StateTopic(), Shard: e.shard, Time: c.Time, Recorded: e.at,
			CoverageLog: e.coverage, Instance: e.config.Instance, Log: e.log,
		}
		if r.Heartbeat != nil && len(e.config.Signers) > 0 {
			checkpoint := event.Checkpoint{
				Origin: event.Origin(e.config.Region, e.config.StateTopic(), e.shard), Log: e.log, Coverage: e.coverage,
			}
			signed, err := note.Sign(&note.Note{Text: checkpoint.Text()}, e.config.Signers...)
			if err != nil {
				return fmt.Errorf("sign a checkpoint: %w", err)
			}
			env.Checkpoint = string(signed)
		}
		record := event.EncodeCoverage(r, env)
		e.coverage.Add(event.Digest(record))
		e.to[coverageTopic][0].append(record.Key, record.Value, record.Headers)
	}
	e.value = event.AppendCoverageState(e.value[:0], event.CoverageState{State: c.State, Shard: e.shard, Log: e.coverage})
	e.addState([]byte(event.CoverageKey), e.value)
	e.addWorkers(c.State.Workers)
	return nil
}

// addWorkers adds the record of the shard's workers, if it has changed.
func (e *encoder) addWorkers(workers []diff.WorkerKey) {
	room := e.to[stateTopic][0].limit - batchHeaderSize - maxRecordOverhead - len(event.WorkersKey)
	e.value = event.AppendWorkers(e.value[:0], workers, room)
	if string(e.value) != string(e.workers) {
		e.workers = append(e.workers[:0], e.value...)
		e.addState([]byte(event.WorkersKey), e.value)
	}
}

// addState adds a record to the shard's partition of the state topic. A nil value is a tombstone.
func (e *encoder) addState(key, value []byte) {
	e.to[stateTopic][0].append(key, value, nil)
	e.states++
}
