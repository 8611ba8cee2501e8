package diff

var testWorker = WorkerKey{FarmID: "farm", FleetID: "fleet", WorkerID: "worker"}

// stateLog has the state records of one worker in their order. It is not compacted.
type stateLog []stateRecord

type stateRecord struct {
	id     string
	record *Record // nil for a tombstone
}

// put appends the records and tombstones of the changes.
func (l *stateLog) put(c Changes) {
	for _, r := range c.Records() {
		*l = append(*l, stateRecord{r.Session.SessionID, &r})
	}
	for _, id := range c.Forgotten {
		*l = append(*l, stateRecord{id, nil})
	}
}

// restore returns the worker's snapshot from the log.
func (l stateLog) restore(w Watch) Snapshot {
	r := NewRestorer()
	for _, e := range l {
		if e.record == nil {
			r.Delete(e.id)
		} else {
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
