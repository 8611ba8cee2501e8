package diff

import (
	"cmp"
	"slices"
	"strings"
)

// Restorer rebuilds the snapshots of a shard from its state records, which it is fed in the order of the log. The
// last record of a session decides, and a tombstone drops those before it. The snapshots equal those from which
// the records came in all that decides what is published, except for an earlier (or no) Bounds.After: an answer
// that comes after a restore is later than every record, and absences are counted again.
type Restorer struct {
	workers map[string]*restoredWorker // by worker id
	order   []*restoredWorker          // as they were first seen
	ended   [][]endedRecord            // in the order of the log, in pieces of endedPiece
	open    map[packedID]*Record       // what the last record of a session says is open
	dropped map[packedID]mark          // the place of the last tombstone of each session
	place   mark                       // of the last record in the log, from 1; below 1<<31

	oddOpen    map[string]*Record // the same two for ids of another form
	oddDropped map[string]mark
}

// restoredWorker is what the log says of one worker. The marks hold places in the log instead of absences.
type restoredWorker struct {
	key    WorkerKey
	number uint32 // place in Restorer.order
	count  int    // of its records in Restorer.ended
	open   []openSession
	memory memory
}

// endedRecord is a record of an ended or vanished session: 24 bytes, kept apart from the worker so that a million
// of them need not be moved while they grow.
type endedRecord struct {
	packed
	worker uint32
}

const endedPiece = 1 << 14

// NewRestorer is a Restorer that has seen no record.
func NewRestorer() *Restorer {
	return &Restorer{
		workers: map[string]*restoredWorker{},
		open:    map[packedID]*Record{}, dropped: map[packedID]mark{},
		oddOpen: map[string]*Record{}, oddDropped: map[string]mark{},
	}
}

// Put takes the next record, of an open session or any other.
func (r *Restorer) Put(record Record) {
	s := &record.Session
	if record.Vanished || s.HasEnded() {
		r.PutEnded([]byte(s.SessionID), []byte(s.FarmID), []byte(s.FleetID), []byte(s.WorkerID), record.Vanished)
		return
	}
	r.place++
	s.WorkerKey = r.worker([]byte(s.FarmID), []byte(s.FleetID), []byte(s.WorkerID)).key
	if id, ok := pack(s.SessionID); ok {
		r.open[id] = &record
	} else {
		r.oddOpen[s.SessionID] = &record
	}
}

// PutEnded takes the next record if its session has ended or vanished. The bytes are not kept, and for ids of the
// documented form nothing is allocated beyond the growth of the whole.
func (r *Restorer) PutEnded(sessionID, farmID, fleetID, workerID []byte, vanished bool) {
	r.place++
	m := r.place
	if vanished {
		m |= markVanished
	}
	w := r.worker(farmID, fleetID, workerID)
	id, ok := pack(sessionID)
	if !ok {
		delete(r.oddOpen, string(sessionID))
		w.memory.named = append(w.memory.named, named{id: string(sessionID), mark: m})
		return
	}
	delete(r.open, id)
	w.count++
	if n := len(r.ended); n == 0 || len(r.ended[n-1]) == endedPiece {
		r.ended = append(r.ended, make([]endedRecord, 0, endedPiece))
	}
	last := &r.ended[len(r.ended)-1]
	*last = append(*last, endedRecord{packed: packed{id: id, mark: m}, worker: w.number})
}

// Delete takes the next record if it is a tombstone.
func (r *Restorer) Delete(sessionID string) {
	r.place++
	if id, ok := pack(sessionID); ok {
		delete(r.open, id)
		r.dropped[id] = r.place
	} else {
		delete(r.oddOpen, sessionID)
		r.oddDropped[sessionID] = r.place
	}
}

// Snapshots is the snapshots of the workers that have any session, by worker id. watch says by what the sessions
// of a fleet are judged at first sight. The Restorer must not be used afterwards.
func (r *Restorer) Snapshots(watch func(fleetID string) Watch) map[string]Snapshot {
	r.distribute()
	snapshots := make(map[string]Snapshot, len(r.workers))
	for _, w := range r.order {
		s := NewSnapshot(w.key, watch(w.key.FleetID))
		s.open = w.open
		slices.SortFunc(s.open, func(a, b openSession) int {
			return strings.Compare(a.session.SessionID, b.session.SessionID)
		})
		s.memory = r.kept(w)
		if !s.Empty() {
			snapshots[w.key.WorkerID] = s
		}
	}
	return snapshots
}

// distribute gives every worker its sessions.
func (r *Restorer) distribute() {
	for _, w := range r.order {
		w.memory.packed = make([]packed, 0, w.count)
	}
	for i, piece := range r.ended {
		for _, e := range piece {
			w := r.order[e.worker]
			w.memory.packed = append(w.memory.packed, e.packed)
		}
		r.ended[i] = nil
	}
	give := func(o *Record) {
		w := r.workers[o.Session.WorkerID]
		w.open = append(w.open, openSession{
			session: o.Session, sequence: o.Sequence, evidence: evidence{seen: o.Seen},
		})
	}
	for _, o := range r.open {
		give(o)
	}
	for _, o := range r.oddOpen {
		give(o)
	}
}

// kept is what is left of a worker's ended sessions: the last record of each, unless a tombstone or a record of an
// open session came after it.
func (r *Restorer) kept(w *restoredWorker) memory {
	m := w.memory
	slices.SortFunc(m.packed, func(a, b packed) int {
		if c := a.id.compare(b.id); c != 0 {
			return c
		}
		return cmp.Compare(b.mark&^markVanished, a.mark&^markVanished)
	})
	slices.SortFunc(m.named, func(a, b named) int {
		return cmp.Or(strings.Compare(a.id, b.id), cmp.Compare(b.mark&^markVanished, a.mark&^markVanished))
	})
	m.compact()
	if len(r.dropped) > 0 {
		m.packed = slices.DeleteFunc(m.packed, func(p packed) bool { return p.mark&^markVanished < r.dropped[p.id] })
	}
	m.named = slices.DeleteFunc(m.named, func(n named) bool { return n.mark&^markVanished < r.oddDropped[n.id] })
	var open []string // by their last record, so that an end before it does not count
	for i := range w.open {
		open = append(open, w.open[i].session.SessionID)
	}
	m.drop(open)
	for place := range m.len() {
		*m.markAt(place) &= markVanished
	}
	if m.len() < w.count/2 {
		return m.clone(0)
	}
	return m
}

// worker is where the records of a worker are gathered.
func (r *Restorer) worker(farmID, fleetID, workerID []byte) *restoredWorker {
	if w, ok := r.workers[string(workerID)]; ok {
		return w
	}
	w := &restoredWorker{key: WorkerKey{
		FarmID: string(farmID), FleetID: string(fleetID), WorkerID: string(workerID),
	}}
	w.number = uint32(len(r.order))
	r.workers[w.key.WorkerID], r.order = w, append(r.order, w)
	return w
}
