package diff

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestRestorer: the last record of a session counts, even in an order of records that no publisher writes.
func TestRestorer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := newWorld().ids
		last := map[string]*Record{}
		var log stateLog
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			id := rapid.SampledFrom(ids).Draw(t, "id")
			s := drawSession(t, id)
			s.WorkerKey = testWorker
			last[id] = &Record{
				Session: s, Sequence: rapid.Uint64().Draw(t, "sequence"), Seen: epoch,
				Vanished: rapid.IntRange(0, 4).Draw(t, "vanished") == 0,
			}
			if r := last[id]; !r.Vanished && !r.Session.HasEnded() && rapid.Bool().Draw(t, "missing") {
				r.Missing = epoch.Add(time.Hour)
			}
			if rapid.IntRange(0, 3).Draw(t, "tombstone") == 0 {
				last[id] = nil
			}
			log = append(log, stateRecord{id: id, record: last[id]})
		}
		s := log.restore(Watch{Since: epoch})
		open, ended := 0, 0
		for _, id := range ids {
			r := last[id]
			place, remembered := s.memory.find(id)
			closed := r != nil && (r.Vanished || r.Session.HasEnded())
			check(t, "remembered "+id, closed, remembered)
			check(t, "open "+id, r != nil && !closed, s.isOpen(id))
			switch {
			case closed:
				ended++
				check(t, "vanished "+id, r.Vanished, s.memory.mark(place).vanished())
			case r != nil:
				open++
			}
		}
		check(t, "counts", []int{open, ended}, []int{s.OpenCount(), s.Remembered()})
		for _, o := range s.open {
			r := last[o.session.SessionID]
			check(t, "restored", Record{Session: o.session, Sequence: o.sequence, Seen: o.disappearance.seen, Missing: o.disappearance.missing}, *r)
		}
	})
}

// TestRestorerWorkers: each worker has its own sessions and its fleet's watch, and a worker without sessions has no
// snapshot.
func TestRestorerWorkers(t *testing.T) {
	put := func(r *Restorer, worker, fleet string, n int, ended time.Time) {
		k := WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: worker}
		r.Put(Record{Session: Session{WorkerKey: k, SessionID: testID(n), LifecycleStatus: StatusStarted, EndedAt: ended}})
	}
	r := NewRestorer()
	put(r, "a", "one", 1, time.Time{})
	put(r, "b", "two", 2, time.Time{})
	put(r, "b", "two", 3, epoch)
	put(r, "c", "two", 4, epoch)
	put(r, "b", "one", 5, time.Time{}) // another worker with the same id
	put(r, "b", "two", 2, epoch)
	r.Delete(testID(4))
	got := r.Snapshots(func(fleet string) Watch {
		return map[string]Watch{"one": {Initial: InitialAll}, "two": {Initial: InitialNone}}[fleet]
	})
	if len(got) != 3 {
		t.Fatalf("%d workers, want a, and b of both fleets", len(got))
	}
	of := func(fleet, worker string) Snapshot {
		return got[WorkerKey{FarmID: "farm", FleetID: fleet, WorkerID: worker}]
	}
	if a := of("one", "a"); a.OpenCount() != 1 || a.Remembered() != 0 || a.watch.Initial != InitialAll || a.Worker().WorkerID != "a" {
		t.Errorf("a is %+v", a)
	}
	if b := of("two", "b"); b.OpenCount() != 0 || b.Remembered() != 2 || b.watch.Initial != InitialNone || b.Worker().FleetID != "two" {
		t.Errorf("b is %+v", b)
	}
	if b := of("one", "b"); b.OpenCount() != 1 || b.Remembered() != 0 || b.watch.Initial != InitialAll {
		t.Errorf("b of the other fleet is %+v", b)
	}
}

// TestPack: a packed session id has the same text when it is unpacked.
func TestPack(t *testing.T) {
	for id, want := range map[string]bool{
		"session-0123456789abcdef0123456789abcdef":  true,
		"session-ffffffffffffffffffffffffffffffff":  true,
		"session-0123456789ABCDEF0123456789abcdef":  false,
		"session-0123456789abcdef0123456789abcde":   false,
		"session-0123456789abcdef0123456789abcdefa": false,
		"Session-0123456789abcdef0123456789abcdef":  false,
		"session-0123456789abcdeg0123456789abcdef":  false,
		"session-0123456789abcdef0123456789abcde/":  false,
		"session-0123456789abcdef0123456789abcde:":  false,
		"session-0123456789abcdef0123456789abcde`":  false,
		"": false,
	} {
		packed, ok := pack(id)
		if ok != want || ok && packed.String() != id {
			t.Errorf("pack(%q) = %v, %v", id, packed, ok)
		}
	}
	a, b := testID(1), testID(2)
	x, _ := pack(a)
	y, _ := pack(b)
	if x.compare(y) >= 0 || y.compare(x) <= 0 || x.compare(x) != 0 {
		t.Error("packed ids are not in the order of their text")
	}
}

// TestPutEndedAllocates: PutEnded allocates nothing for most records, because there may be millions.
func TestPutEndedAllocates(t *testing.T) {
	all := records(1, endedPiece-200)
	r := NewRestorer()
	r.PutEnded(all[0].session, all[0].farm, all[0].fleet, all[0].worker, false)
	n := 0
	if got := testing.AllocsPerRun(endedPiece/2, func() {
		n++
		r.PutEnded(all[n].session, all[n].farm, all[n].fleet, all[n].worker, false)
	}); got > 0 {
		t.Errorf("%v allocations a record", got)
	}
}
