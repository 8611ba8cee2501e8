package diff

var testWorker = WorkerKey{FarmID: "farm", FleetID: "fleet", WorkerID: "worker"}

// stateLog has the state records of one worker in their order. It is not compacted.
type stateLog []stateRecord

type stateRecord struct {
	id       string
	record   *Record   // nil for a tombstone
	absences *Absences // not nil for a record of absences, whose id is empty
}

// put appends the records and tombstones of the changes, in the order in which the publisher writes them.
func (l *stateLog) put(c Changes) {
	if c.Absences != nil {
		*l = append(*l, stateRecord{absences: c.Absences})
	}
	for _, r := range c.Records() {
		*l = append(*l, stateRecord{id: r.Session.SessionID, record: &r})
	}
	for _, id := range c.Forgotten {
		*l = append(*l, stateRecord{id: id})
	}
}

// restore returns the worker's snapshot from the log.
func (l stateLog) restore(w Watch) Snapshot {
	r := NewRestorer()
	for _, e := range l {
		switch {
		case e.absences != nil:
			r.PutAbsences(*e.absences)
		case e.record == nil:
			r.Delete(e.id)
		default:
			r.Put(*e.record)
		}
	}
	if s, ok := r.Snapshots(func(string) Watch { return w })[testWorker]; ok {
		return s
	}
	return NewSnapshot(testWorker, w)
}

// compacted returns the last record of each session.
func (l stateLog) compacted() stateLog {
	last := map[string]int{}
	for i, e := range l {
		last[e.id] = i
	}
	var kept stateLog
	for i, e := range l {
		if last[e.id] == i {
			kept = append(kept, e)
		}
	}
	return kept
}

// testID returns a session id of the documented form.
func testID(n int) string {
	return packedID{high: uint64(uint32(n)) << 32, low: 7}.String()
}
