package diff

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// condense returns the observation as it is when each of its sightings is added alone or with others of its page, each time
// with one of the given snapshots.
func condense(t *rapid.T, o Observation, known ...Snapshot) Observation {
	all := o.Sightings
	o.Sightings = nil
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "page")
		o.Add(rapid.SampledFrom(known).Draw(t, "known"), all[:n])
		all = all[n:]
	}
	return o
}

// without returns the sightings that are not among the kept ones. Both have the same order.
func without(all, kept []Sighting) (dropped []Sighting) {
	for _, s := range all {
		if len(kept) > 0 && s == kept[0] {
			kept = kept[1:]
		} else {
			dropped = append(dropped, s)
		}
	}
	return dropped
}

// TestAdd: Between makes the same of a condensed observation as of all its sightings, also if the snapshot has changed since
// then, was restored, or is an earlier one. If it does not remember a session whose sighting was not kept, it is as if the
// observation had not shown that session, and had been no listing.
func TestAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		s := NewSnapshot(testWorker, drawWatch(t))
		var log stateLog
		known := []Snapshot{s}
		advance := func(most int) {
			for range rapid.IntRange(0, most).Draw(t, "observations") {
				c := Between(s, w.observe(t))
				log.put(c)
				s = Apply(s, c)
				known = append(known, s)
			}
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				s = restoreSame(t, s, log)
				known = append(known, s)
			}
		}
		advance(6)
		known = known[len(known)-1:]
		advance(3)
		full := w.observe(t)
		o := condense(t, full, known...)
		dropped := without(full.Sightings, o.Sightings)
		s = rapid.SampledFrom(append(known, s)).Draw(t, "compared")
		for _, d := range dropped {
			check(t, "a sighting that was not kept shows an end", true, d.Session.HasEnded())
		}
		if slices.ContainsFunc(dropped, func(d Sighting) bool {
			_, remembered := s.memory.find(d.Session.SessionID)
			return !remembered
		}) {
			full.Source = Answers
			full.Sightings = slices.DeleteFunc(slices.Clone(full.Sightings), func(seen Sighting) bool {
				_, remembered := s.memory.find(seen.Session.SessionID)
				return !remembered && slices.Contains(dropped, seen)
			})
		}
		before := clone(s)
		want, got := Between(s, full), Between(s, o)
		check(t, "Between", want, got)
		check(t, "Between a second time", want, Between(s, o))
		check(t, "Apply", Apply(s, want), Apply(s, got))
		check(t, "the snapshot after Between and Apply", before, s)
	})
}

// knownWorker returns a snapshot with one open, two ended and one vanished session, whose number it returns last.
func knownWorker() (s Snapshot, open, ended, other, vanished int) {
	s, _ = listed(1, 2)
	for tick := uint64(3); tick < 9; tick += 2 {
		at := epoch.Add(time.Duration(tick) * time.Hour)
		x := Exchange{Sent: at, Arrived: at, SentTick: tick, ArrivedTick: tick + 1}
		o := Observation{Worker: testWorker, Source: CompleteListing, FirstRequest: x, Pages: 1}
		seen := Session{WorkerKey: testWorker, SessionID: testID(4), LifecycleStatus: StatusStarted, StartedAt: epoch}
		if tick == 3 {
			o.Sightings = append(o.Sightings, Sighting{seen, x})
		} else {
			o.NotFound = append(o.NotFound, NotFound{SessionID: testID(4), Exchange: x})
		}
		seen.SessionID = testID(0)
		o.Sightings = append(o.Sightings, Sighting{seen, x})
		s = Apply(s, Between(s, o))
	}
	return s, 0, 1, 2, 4
}

// TestAddKeeps: Add keeps all sightings but those of the end of a session that is remembered as ended.
func TestAddKeeps(t *testing.T) {
	s, open, ended, other, vanished := knownWorker()
	if s.OpenCount() != 1 || s.Remembered() != 3 {
		t.Fatalf("%d open and %d remembered sessions", s.OpenCount(), s.Remembered())
	}
	const unknown = 9
	for _, test := range []struct {
		what string
		s    Snapshot
		n    int
		ends bool
		kept bool
	}{
		{"the end of an ended session", s, ended, true, false},
		{"the end of another one", s, other, true, false},
		{"an ended session that is shown as open", s, ended, false, true},
		{"the end of an open session", s, open, true, true},
		{"an open session", s, open, false, true},
		{"the end of a vanished session", s, vanished, true, true},
		{"the end of an unknown session", s, unknown, true, true},
		{"the end of a session of a worker of which nothing is known", NewSnapshot(testWorker, Watch{Since: epoch}), ended, true, true},
		{"history", NewSnapshot(testWorker, Watch{Since: epoch.Add(time.Hour)}), ended, true, true},
	} {
		seen := Session{WorkerKey: testWorker, SessionID: testID(test.n), LifecycleStatus: StatusStarted, StartedAt: epoch}
		if test.ends {
			seen.LifecycleStatus, seen.EndedAt = StatusEnded, epoch
		}
		var o Observation
		o.Add(test.s, []Sighting{{Session: seen}})
		if kept := len(o.Sightings) == 1; kept != test.kept {
			t.Errorf("%s: kept is %v", test.what, kept)
		}
	}
}

// TestAddToForgetful: an observation proves no absence if the snapshot does not remember a session that it noted.
func TestAddToForgetful(t *testing.T) {
	s, o := listed(1, 2)
	fewer, _ := listed(2, 0)
	o.FirstRequest = Exchange{Sent: epoch, SentTick: 3, ArrivedTick: 4}
	all := o.Sightings[1:]
	o.Sightings = nil
	o.Add(s, all)
	next := Apply(fewer, Between(fewer, o))
	if n := next.UnresolvedCount(); n != 0 || next.OpenCount() != 2 {
		t.Errorf("%d of %d open sessions are unresolved", n, next.OpenCount())
	}
	if next.Listed() != fewer.Listed() {
		t.Errorf("a listing of which a part is lost counts as complete")
	}
}

// TestAddVanished: a session that was noted as ended reappears if it has vanished in the snapshot.
func TestAddVanished(t *testing.T) {
	s, _, _, _, vanished := knownWorker()
	other, o := listed(0, vanished+1)
	var noted Observation
	noted.Add(other, o.Sightings[vanished:])
	if c := Between(s, noted); len(noted.Sightings) > 0 || !slices.Equal(c.Reappeared, []string{testID(vanished)}) {
		t.Errorf("reappeared %v", c.Reappeared)
	}
}

// ends returns the sightings of so many ended sessions by pages of 100, with texts of their own, as they are decoded.
func ends(sessions int) (pages [][]Sighting) {
	for n := range sessions {
		if n%100 == 0 {
			pages = append(pages, nil)
		}
		x := Exchange{Sent: epoch, Arrived: epoch, SentTick: uint64(2*n + 1), ArrivedTick: uint64(2*n + 2)}
		at := &pages[len(pages)-1]
		*at = append(*at, Sighting{Exchange: x, Session: Session{
			WorkerKey: testWorker, SessionID: testID(n), QueueID: fmt.Sprintf("queue-%032x", 1), JobID: fmt.Sprintf("job-%032x", n),
			LifecycleStatus: StatusEnded, TargetLifecycleStatus: StatusEnded, StartedAt: epoch, EndedAt: epoch.Add(time.Hour),
		}})
	}
	return pages
}

// BenchmarkWaiting reports the heap of a listing of 10,000 ended sessions that waits to be committed, and measures how
// long Add and Between take: with all sightings, and without those that the snapshot has as ended.
func BenchmarkWaiting(b *testing.B) {
	const sessions = 10_000
	nothing := NewSnapshot(testWorker, Watch{Since: epoch})
	listing := func(known Snapshot) Observation {
		o := Observation{Worker: testWorker, Source: CompleteListing, Date: epoch}
		for _, page := range ends(sessions) {
			o.Add(known, page)
			o.Pages++
		}
		return o
	}
	all := Apply(nothing, Between(nothing, listing(nothing)))
	for _, with := range []struct {
		what  string
		known Snapshot
	}{{"all", nothing}, {"condensed", all}} {
		b.Run("heap/"+with.what, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				o := listing(with.known)
				b.ReportMetric(float64(heap()-before), "heap-B")
				if len(Between(all, o).Events) > 0 {
					b.Fatal("events")
				}
			}
		})
		b.Run("add/"+with.what, func(b *testing.B) {
			pages := ends(sessions)
			for b.Loop() {
				var o Observation
				for _, page := range pages {
					o.Add(with.known, page)
				}
			}
		})
		b.Run("between/"+with.what, func(b *testing.B) {
			o := listing(with.known)
			for b.Loop() {
				if len(Between(all, o).Events) > 0 {
					b.Fatal("events")
				}
			}
		})
	}
}
