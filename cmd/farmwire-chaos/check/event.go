package check

import (
	"crypto/sha256"
	"fmt"
)

// event is one record of .events.
type event struct {
	partition int
	offset    int64
	whole     digest // of key, headers and value

	change             string
	sequence           uint64
	inferred, snapshot bool
	state              state
	first              bool // previous is null
	previous           state
	after, before      instant
	exact              bool
	recorded           instant // the record's timestamp
}

func (e *event) String() string {
	return fmt.Sprintf("%d %s %s in (%s, %s]", e.sequence, e.change, e.state, e.after, e.before)
}

// together reports whether both were taught by one answer.
func (e *event) together(next *event) bool {
	return e.after == next.after && e.before == next.before && e.sequence+1 == next.sequence
}

// digest stands for a text of which no two are confused.
type digest [16]byte

func digestOf(texts ...string) digest {
	h := sha256.New()
	for _, t := range texts {
		fmt.Fprintf(h, "%d:", len(t))
		h.Write([]byte(t))
	}
	return digest(h.Sum(nil)[:16])
}

// readEvent reads a record by itself. The error says what is wrong with its form.
func readEvent(texts interner, r record) (id string, who identity, e event, err error) {
	var w wireEvent
	if err := strict(r.value, &w); err != nil {
		return r.key, who, e, err
	}
	in := reading{texts: texts}
	e = event{
		partition: r.partition, offset: r.offset, recorded: instant(r.timestamp * 1e6),
		whole:  digestOf(r.key, r.headers, r.value),
		change: texts.text(take(&in, "change", w.Change)), sequence: take(&in, "sequence", w.Sequence),
		inferred: take(&in, "inferred", w.Inferred), snapshot: take(&in, "snapshot", w.Snapshot),
	}
	id, who, e.state = in.session(take(&in, "session", w.Session))
	if p, ok := nullable(&in, "previous", w.Previous); ok {
		e.previous = in.state(p.LifecycleStatus, p.TargetLifecycleStatus, p.EndedAt)
	} else {
		e.first = true
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

// envelope says what is wrong with a record whose value is fine: its headers, its times, its key.
func envelope(region string, r record, id string, who identity, e *event) error {
	headers, once := headerMap(r.headers)
	if !once {
		return fmt.Errorf("a header comes twice")
	}
	number := fmt.Sprintf("%06d", e.sequence)
	want := map[string]string{
		"ce_specversion": "1.0", "ce_id": id + "." + number, "ce_sequence": number,
		"ce_source": "/deadline/" + region + "/" + who.farm + "/" + who.fleet + "/" + who.worker,
		"ce_type":   "farmwire.session." + e.change + ".v1", "ce_subject": id, "ce_partitionkey": id,
		"ce_time": e.time(who).wire(), "ce_recordedtime": e.recorded.wire(),
		"ce_dataschema": "urn:farmwire:session:v1", "content-type": "application/json",
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

// time is what ce_time must be: the change's own time where it is told.
func (e *event) time(who identity) instant {
	switch {
	case e.exact && e.change == "started":
		return who.startedAt
	case e.exact && e.change == "ended":
		return e.state.endedAt
	}
	return e.before
}
