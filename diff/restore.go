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
	open    map[string]openRecord      // by session id: what the last record says is open
	dropped map[packedID]mark          // the place of the last tombstone of each session
	odd     map[string]mark            // the same for ids of another form
	place   mark                       // of the last record in the log, from 1; below 1<<31
}

// restoredWorker is what the log says of one worker. The marks hold places in the log instead of absences.
type restoredWorker struct {
	key   WorkerKey
	open  []openSession
	ended memory
}

// openRecord is the last record of an open session.
type openRecord struct {
	Record
	place mark
}

// NewRestorer is a Restorer that has seen no record.
func NewRestorer() *Restorer {
	return &Restorer{
		workers: map[string]*restoredWorker{},
		open:    map[string]openRecord{},
		dropped: map[packedID]mark{},
		odd:     map[string]mark{},
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
	w := r.worker([]byte(s.FarmID), []byte(s.FleetID), []byte(s.WorkerID))
	s.WorkerKey = w.key
	r.open[s.SessionID] = openRecord{Record: record, place: r.place}
}

// PutEnded takes the next record if its session has ended or vanished. The bytes are not kept, and nothing is
// allocated beyond the growth of the worker's memory.
func (r *Restorer) PutEnded(sessionID, farmID, fleetID, workerID []byte, vanished bool) {
	r.place++
	if _, ok := r.open[string(sessionID)]; ok { // delete would allocate
		delete(r.open, string(sessionID))
	}
	m := r.place
	if vanished {
		m |= markVanished
	}
	w := r.worker(farmID, fleetID, workerID)
	if id, ok := pack(sessionID); ok {
		w.ended.packed = append(w.ended.packed, packed{id: id, mark: m})
	} else {
		w.ended.named = append(w.ended.named, named{id: string(sessionID), mark: m})
	}
}

// Delete takes the next record if it is a tombstone.
func (r *Restorer) Delete(sessionID string) {
	r.place++
	delete(r.open, sessionID)
	if id, ok := pack(sessionID); ok {
		r.dropped[id] = r.place
	} else {
		r.odd[sessionID] = r.place
	}
}

// Snapshots is the snapshots of the workers that have any session, by worker id. watch says by what the sessions
// of a fleet are judged at first sight. The Restorer must not be used afterwards.
func (r *Restorer) Snapshots(watch func(fleetID string) Watch) map[string]Snapshot {
	for _, o := range r.open {
		w := r.workers[o.Session.WorkerID]
		w.open = append(w.open, openSession{
			session: o.Session, sequence: o.Sequence, evidence: evidence{seen: o.Seen},
		})
	}
	snapshots := make(map[string]Snapshot, len(r.workers))
	for id, w := range r.workers {
		s := NewSnapshot(w.key, watch(w.key.FleetID))
		s.open = w.open
		slices.SortFunc(s.open, func(a, b openSession) int {
			return strings.Compare(a.session.SessionID, b.session.SessionID)
		})
		s.memory = r.kept(w)
		if !s.Empty() {
			snapshots[id] = s
		}
	}
	return snapshots
}

// kept is what is left of a worker's ended sessions: the last record of each, unless a tombstone or an open
// session came after it.
func (r *Restorer) kept(w *restoredWorker) memory {
	m := w.ended
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
	m.named = slices.DeleteFunc(m.named, func(n named) bool { return n.mark&^markVanished < r.odd[n.id] })
	for i := range w.open {
		id := w.open[i].session.SessionID
		if place, ok := m.find(id); ok && m.mark(place)&^markVanished < r.open[id].place {
			m.drop([]string{id})
		}
	}
	kept := m.clone(0)
	for place := range kept.len() {
		*kept.markAt(place) &= markVanished
	}
	return kept
}

// worker is where the records of a worker are gathered.
func (r *Restorer) worker(farmID, fleetID, workerID []byte) *restoredWorker {
	if w, ok := r.workers[string(workerID)]; ok {
		return w
	}
	w := &restoredWorker{key: WorkerKey{
		FarmID: string(farmID), FleetID: string(fleetID), WorkerID: string(workerID),
	}}
	r.workers[w.key.WorkerID] = w
	return w
}
