package check

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
)

// event is one record of .events.
type event struct {
	partition int
	offset    int64
	digest    digest // of key, headers and value
	index     uint64 // in the log of its shard

	change             string
	sequence           uint64
	inferred, snapshot bool
	state              state
	previousNull       bool
	previous           state
	after, before      instant
	exact              bool
	recorded           instant // the record's timestamp
}

func (e *event) String() string {
	return fmt.Sprintf("%d %s %s in (%s, %s]", e.sequence, e.change, e.state, e.after, e.before)
}

// sameAnswer reports whether one answer showed both changes.
func (e *event) sameAnswer(next *event) bool {
	return e.after == next.after && e.before == next.before && e.sequence+1 == next.sequence
}

// digest is a cryptographic hash: equal digests mean equal texts.
type digest [16]byte

func digestOf(texts ...string) digest {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:", len(t))
		h.Write([]byte(t))
	}
	return digest(h.Sum(nil)[:16])
}

// parseEvent reads a record by itself. An error says what is wrong with its value.
func parseEvent(texts interner, r record) (id string, who identity, e event, err error) {
	var w wireEvent
	if err := strict(r.value, &w); err != nil {
		return r.key, who, e, err
	}
	in := reading{texts: texts}
	e = event{
		partition: r.partition, offset: r.offset, recorded: instant(r.timestamp * 1e6),
		digest: digestOf(r.key, r.headers, r.value),
		change: texts.text(take(&in, "change", w.Change)), sequence: take(&in, "sequence", w.Sequence),
		inferred: take(&in, "inferred", w.Inferred), snapshot: take(&in, "snapshot", w.Snapshot),
	}
	id, who, e.state = in.session(take(&in, "session", w.Session))
	if p, ok := nullable(&in, "previous", w.Previous); ok {
		e.previous = in.state(p)
	} else {
		e.previousNull = true
	}
	o := take(&in, "observed", w.Observed)
	e.after = in.optionalTime("observed.after", o.After)
	e.before = in.time("observed.before", take(&in, "observed.before", o.Before))
	e.exact = take(&in, "observed.exact", o.Exact)
	if worker, ok := nullable(&in, "worker", w.Worker); ok {
		take(&in, "worker.status", worker.Status)
		nullable(&in, "worker.hostName", worker.HostName)
	}
	return id, who, e, in.wrong
}

// checkEnvelope says what is wrong with the headers, the times or the key of a record whose value can be read.
func checkEnvelope(region string, partitions int, r record, id string, who identity, e *event) error {
	headers, once := headerMap(r.headers)
	if !once {
		return errors.New("a header comes twice")
	}
	number := fmt.Sprintf("%06d", e.sequence)
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": id + "." + number, "ce_sequence": number,
		"ce_source": "/deadline/" + region + "/" + who.farm + "/" + who.fleet + "/" + who.worker,
		"ce_type":   "farmwire.session." + e.change + ".v1", "ce_subject": id, "ce_partitionkey": id,
		"ce_time": e.time(who).wire(), "ce_recordedtime": e.recorded.wire(),
		"ce_dataschema": "urn:farmwire:session:v1", "content-type": "application/json",
		"ce_shard": strconv.Itoa(partitionOf(who.worker, partitions)), "ce_logindex": strconv.FormatUint(e.index, 10),
	}
	for name, value := range want {
		if got, ok := headers[name]; !ok || got != value {
			return fmt.Errorf("%s is %q, not %q", name, got, value)
		}
	}
	const millisecond = 1_000_000
	switch {
	case len(headers) != len(want):
		return fmt.Errorf("%d headers, not %d", len(headers), len(want))
	case r.key != id:
		return fmt.Errorf("the key is %s", r.key)
	case e.after > e.before:
		return fmt.Errorf("observed.after %s is later than before %s", e.after, e.before)
	case e.recorded+millisecond < e.before:
		return fmt.Errorf("recorded at %s, before it was observed at %s", e.recorded, e.before)
	case e.exact != (e.change == "started" || e.change == "ended" && e.state.endedAt != 0):
		return fmt.Errorf("exact is %t for %s", e.exact, e)
	}
	return nil
}

// time is what ce_time must be: the time of the change if the service tells it, and otherwise of the observation.
func (e *event) time(who identity) instant {
	switch {
	case e.exact && e.change == "started":
		return who.startedAt
	case e.exact && e.change == "ended":
		return e.state.endedAt
	}
	return e.before
}

// readEvent takes a record of .events.
func (c *checker) readEvent(r record) {
	c.report.Counts.Events++
	index := c.readLog(r)
	id, who, e, err := parseEvent(c.texts, r)
	if err != nil {
		c.anomaly(BadEnvelope, r.key, r.value, err.Error())
		if s := c.sessions[r.key]; s != nil {
			s.doubtful = true
		}
		return
	}
	e.index = index
	c.checkPartition(r, r.key)
	c.report.Counts.Envelopes++
	if err := checkEnvelope(c.in.Region, c.in.Partitions, r, id, who, &e); err != nil {
		c.anomaly(BadEnvelope, id, e.String(), err.Error())
	}
	s := c.sessions[id]
	switch {
	case s == nil:
		c.anomaly(InventedState, id, e.String(), "there was no such session")
		return
	case who != s.truth.identity:
		c.anomaly(InventedState, id, fmt.Sprint(who), fmt.Sprint(s.truth.identity))
	}
	if e.snapshot {
		c.report.Counts.Snapshots++
	}
	if e.inferred {
		c.report.Counts.Inferred++
	}
	s.events = append(s.events, e)
}
