package diff

import (
	"cmp"
	"slices"
	"strings"
)

// Restorer rebuilds the snapshots of a shard from its state records. It takes them in the order in which they were
// written, whether the topic was compacted or not. The last record of a session counts, and a tombstone deletes
// the records before it.
//
// Observations cause the same changes of restored snapshots as of the snapshots from which the records came,
// except that Bounds.After is earlier or missing. Every answer after a restore counts as later than every record.
// What suggests that sessions have vanished is collected anew, except for Record.Missing. Remembered sessions are absent as
// long as they were.
type Restorer struct {
	workers map[WorkerKey]*restoredWorker
	order   []*restoredWorker    // in the order of their first records
	ended   [][]endedRecord      // in the order of the records, in pieces of endedPiece
	open    map[packedID]*Record // sessions that are open by their last record
	dropped map[packedID]mark    // the number of the last tombstone of each session
	number  mark                 // of the last record, counted from 1; below 1<<31
	absent  map[WorkerKey][]AbsenceMark

	unpackedOpen    map[string]*Record // as open, for ids of another form
	unpackedDropped map[string]mark    // as dropped, for ids of another form
}

// restoredWorker is what the records say of one worker. Until kept is called, the lower bits of the marks in its
// memory are the numbers of records.
type restoredWorker struct {
	key    WorkerKey
	index  uint32 // in Restorer.order
	count  int    // how many of Restorer.ended are of this worker
	open   []openSession
	memory memory
}

// endedRecord is a record of an ended or vanished session. It has 24 bytes. The records are collected in one list
// and given to their workers at the end, so that a million of them are not copied again and again while the
// memories of the workers grow.
type endedRecord struct {
	packed        // the lower bits of the mark are the number of the record
	worker uint32 // index in Restorer.order
}

// endedPiece is how many records a piece of Restorer.ended has.
const endedPiece = 1 << 14

// NewRestorer returns a Restorer without records.
func NewRestorer() *Restorer {
	return &Restorer{
		workers: map[WorkerKey]*restoredWorker{}, absent: map[WorkerKey][]AbsenceMark{},
		open: map[packedID]*Record{}, dropped: map[packedID]mark{},
		unpackedOpen: map[string]*Record{}, unpackedDropped: map[string]mark{},
	}
}

// Put takes the next record.
func (r *Restorer) Put(record Record) {
	s := &record.Session
	if record.Vanished || s.HasEnded() {
		r.PutEnded([]byte(s.SessionID), []byte(s.FarmID), []byte(s.FleetID), []byte(s.WorkerID), record.Vanished)
		return
	}
	r.number++
	s.WorkerKey = r.worker([]byte(s.FarmID), []byte(s.FleetID), []byte(s.WorkerID)).key
	if id, ok := pack(s.SessionID); ok {
		r.open[id] = &record
	} else {
		r.unpackedOpen[s.SessionID] = &record
	}
}

// PutEnded takes the next record, which is of a session that has ended or, if vanished is true, has vanished. It
// does not keep the slices. For session ids of the documented form it allocates nothing, except when a slice has
// to grow.
func (r *Restorer) PutEnded(sessionID, farmID, fleetID, workerID []byte, vanished bool) {
	r.number++
	m := r.number
	if vanished {
		m |= markVanished
	}
	w := r.worker(farmID, fleetID, workerID)
	id, ok := pack(sessionID)
	if !ok {
		delete(r.unpackedOpen, string(sessionID))
		w.memory.unpacked = append(w.memory.unpacked, unpacked{id: string(sessionID), mark: m})
		return
	}
	delete(r.open, id)
	w.count++
	if n := len(r.ended); n == 0 || len(r.ended[n-1]) == endedPiece {
		r.ended = append(r.ended, make([]endedRecord, 0, endedPiece))
	}
	last := &r.ended[len(r.ended)-1]
	*last = append(*last, endedRecord{packed: packed{id: id, mark: m}, worker: w.index})
}

// Delete takes the next record, which is the tombstone of a session.
func (r *Restorer) Delete(sessionID string) {
	r.number++
	if id, ok := pack(sessionID); ok {
		delete(r.open, id)
		r.dropped[id] = r.number
	} else {
		delete(r.unpackedOpen, sessionID)
		r.unpackedDropped[sessionID] = r.number
	}
}

// PutAbsences takes the absences that were stored last of a worker, which replace earlier ones. Those without marks
// stand for a tombstone. Where their record is among the other records does not matter.
func (r *Restorer) PutAbsences(a Absences) {
	if len(a.Marks) == 0 {
		delete(r.absent, a.Worker)
		return
	}
	r.absent[a.Worker] = a.Marks
}

// Snapshots returns the snapshots of the workers that have any session. The argument returns the Watch of a fleet. The Restorer must not be used after that.
func (r *Restorer) Snapshots(watch func(fleetID string) Watch) map[WorkerKey]Snapshot {
	r.distribute()
	snapshots := make(map[WorkerKey]Snapshot, len(r.workers))
	for _, w := range r.order {
		s := NewSnapshot(w.key, watch(w.key.FleetID))
		s.open = w.open
		slices.SortFunc(s.open, func(a, b openSession) int {
			return strings.Compare(a.session.SessionID, b.session.SessionID)
		})
		s.memory = *r.kept(w)
		s.memory.restoreAbsences(r.absent[w.key])
		if !s.Empty() {
			snapshots[w.key] = s
		}
	}
	return snapshots
}

// distribute gives each worker its open sessions and its records of ended ones.
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
	addOpen := func(o *Record) {
		w := r.workers[o.Session.WorkerKey]
		w.open = append(w.open, openSession{
			session: o.Session, sequence: o.Sequence, disappearance: disappearance{seen: o.Seen, missing: o.Missing},
		})
	}
	for _, o := range r.open {
		addOpen(o)
	}
	for _, o := range r.unpackedOpen {
		addOpen(o)
	}
}

// kept returns the ended and vanished sessions of a worker: those whose last record says so and was not followed by
// a tombstone.
func (r *Restorer) kept(w *restoredWorker) *memory {
	m := &w.memory
	slices.SortFunc(m.packed, func(a, b packed) int {
		if c := a.id.compare(b.id); c != 0 {
			return c
		}
		return byNewest(a.mark, b.mark)
	})
	slices.SortFunc(m.unpacked, func(a, b unpacked) int {
		return cmp.Or(strings.Compare(a.id, b.id), byNewest(a.mark, b.mark))
	})
	m.compact()
	if len(r.dropped) > 0 {
		m.packed = slices.DeleteFunc(m.packed, func(p packed) bool { return p.mark&^markVanished < r.dropped[p.id] })
	}
	m.unpacked = slices.DeleteFunc(m.unpacked, func(n unpacked) bool { return n.mark&^markVanished < r.unpackedDropped[n.id] })
	var open []string // sessions that are open by their last record
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

// worker returns the worker, which it adds if it is new.
func (r *Restorer) worker(farmID, fleetID, workerID []byte) *restoredWorker {
	// The compiler does not allocate strings for a key that is only looked up.
	if w, ok := r.workers[WorkerKey{FarmID: string(farmID), FleetID: string(fleetID), WorkerID: string(workerID)}]; ok {
		return w
	}
	w := &restoredWorker{
		key:   WorkerKey{FarmID: string(farmID), FleetID: string(fleetID), WorkerID: string(workerID)},
		index: uint32(len(r.order)),
	}
	r.workers[w.key], r.order = w, append(r.order, w)
	return w
}
