package coverage_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/coverage"
	"farmwire/diff"
)

// script tells a Tracker of answers one after the other. Each is about the request that was sent a second before.
type script struct {
	t      *testing.T
	of     *coverage.Tracker
	now    time.Time
	number uint64
}

func newScript(t *testing.T, gapAfter time.Duration) *script {
	s := &script{t: t, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	s.of = coverage.NewTracker(coverage.Config{GapAfter: gapAfter, Owns: func(string) bool { return true }}, nil, nil, s.now)
	return s
}

// list tells of a list of one page. Shown are the farms, fleets or workers on it.
func (s *script) list(operation coverage.Operation, farm, fleet string, why coverage.Reason, shown ...string) {
	s.number++
	r := coverage.Request{Number: s.number, List: s.number, Operation: operation, Farm: farm, Fleet: fleet, At: s.now}
	s.of.Sent(r)
	s.now = s.now.Add(time.Second)
	a := coverage.Answer{Request: r, Reason: why, Complete: why == ""}
	switch operation {
	case coverage.ListFarms:
		a.Farms = shown
	case coverage.ListFleets:
		a.Fleets = shown
	case coverage.ListWorkers:
		for _, id := range shown {
			a.Shown = append(a.Shown, diff.WorkerKey{FarmID: farm, FleetID: fleet, WorkerID: id})
		}
	}
	s.of.Answered(a, s.now)
}

// listing tells of a listing of one page, of a worker of the fleet l.
func (s *script) listing(worker string, why coverage.Reason) {
	s.number++
	key := diff.WorkerKey{FarmID: "f", FleetID: "l", WorkerID: worker}
	r := coverage.Request{Number: s.number, List: s.number, Operation: coverage.ListSessionsForWorker, Workers: []diff.WorkerKey{key}, At: s.now}
	s.of.Sent(r)
	s.now = s.now.Add(time.Second)
	s.of.Answered(coverage.Answer{Request: r, Reason: why, Complete: why == ""}, s.now)
}

// handOver replaces the Tracker by that of the next owner of the shard.
func (s *script) handOver(gapAfter time.Duration) {
	_, state := s.of.Take(s.now, false)
	s.of = coverage.NewTracker(coverage.Config{GapAfter: gapAfter, Owns: func(string) bool { return true }}, &state, nil, s.now)
}

// scopes returns the scopes of the gaps that have opened since the last call.
func (s *script) scopes() (scopes []coverage.Scope) {
	records, _ := s.of.Take(s.now, false)
	for _, r := range records {
		if !r.Gap.Closed {
			scopes = append(scopes, r.Gap.Scope)
		}
	}
	return scopes
}

// A fleet that fails while the other one is not asked is no failure of everything. If both fail, it is.
func TestOneOfSeveralPartsIsNotTheWhole(t *testing.T) {
	for name, tc := range map[string]struct {
		fail []string
		want []coverage.Scope
	}{
		"one of two": {[]string{"b"}, []coverage.Scope{{FarmID: "f", FleetID: "b"}}},
		"both":       {[]string{"a", "b"}, []coverage.Scope{{}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, 30*time.Second)
			s.list(coverage.ListFarms, "", "", "", "f")
			s.list(coverage.ListFleets, "f", "", "", "a", "b")
			s.list(coverage.ListWorkers, "f", "a", "")
			s.list(coverage.ListWorkers, "f", "b", "")
			var got []coverage.Scope
			for range 40 {
				for _, fleet := range tc.fail {
					s.list(coverage.ListWorkers, "f", fleet, coverage.Denied)
				}
				got = append(got, s.scopes()...)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("gaps have opened (-want +got):\n%s", d)
			}
		})
	}
}

// The next owner of a shard knows since when requests have failed. It needs one more that fails, and not those of another
// GapAfter.
func TestFailuresAreHandedOver(t *testing.T) {
	const gapAfter = 30 * time.Second
	for name, tc := range map[string]struct {
		before func(*script)
		want   int // gaps of the worker w
	}{
		"nothing failed":                  {func(*script) {}, 0},
		"something else failed":           {func(s *script) { s.listing("other", coverage.Failing) }, 0},
		"it failed, not for long enough":  {func(s *script) { s.listing("w", coverage.Failing) }, 1},
		"it failed and was answered then": {func(s *script) { s.listing("w", coverage.Failing); s.listing("w", "") }, 0},
		"the whole fleet failed":          {func(s *script) { s.listing("w", coverage.Failing); s.listing("other", coverage.Failing) }, 1},
		"no instance had the shard": {func(s *script) {
			s.now = s.now.Add(10 * time.Minute)
			s.handOver(gapAfter)
			s.of.Take(s.now, true)
		}, 0},
		"everything failed for long: a gap": {func(s *script) {
			for range 40 {
				s.listing("w", coverage.Failing)
				s.listing("other", coverage.Failing)
			}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, gapAfter)
			s.list(coverage.ListFarms, "", "", "", "f")
			s.list(coverage.ListFleets, "f", "", "", "l")
			s.list(coverage.ListWorkers, "f", "l", "", "other", "w")
			s.listing("w", "")
			good := s.now.Add(-time.Second)
			s.listing("other", "")
			tc.before(s)
			s.handOver(gapAfter)
			for range 20 {
				s.listing("other", "")
				s.list(coverage.ListWorkers, "f", "l", "", "other", "w")
			}
			s.listing("w", coverage.Failing)
			s.listing("w", "")
			got := 0
			records, _ := s.of.Take(s.now, false)
			for _, r := range records {
				if g := r.Gap; g.Closed && g.Scope.WorkerID == "w" {
					if got++; g.From.After(good.Add(2 * time.Second)) {
						t.Errorf("the gap is from %v, and the last good answer was at %v", g.From, good)
					}
				}
			}
			if got != tc.want {
				t.Errorf("%d gaps of the worker, want %d: %+v", got, tc.want, records)
			}
		})
	}
}

// That something was answered is stored at once if it is stored that it was not. Else the next owner would count it as failing.
func TestAnsweredIsStored(t *testing.T) {
	for _, isStored := range []bool{true, false} {
		s := newScript(t, 30*time.Second)
		s.list(coverage.ListFarms, "", "", "", "f")
		s.list(coverage.ListFleets, "f", "", "", "l")
		s.list(coverage.ListWorkers, "f", "l", "", "other", "w")
		s.scopes()
		s.listing("w", coverage.Failing)
		if isStored {
			s.scopes()
		}
		s.listing("w", "")
		if got := s.of.IsDue(s.now); got != isStored {
			t.Errorf("something is due: %v, want %v", got, isStored)
		}
	}
}

// What took another owner's place after a failure of Kafka says so, but not if another instance had the shard meanwhile.
func TestNotCommitted(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		alive, to time.Time
		want      int
	}{
		"a short outage":               {at.Add(-5 * time.Second), at.Add(40 * time.Second), 0},
		"a long outage":                {at.Add(-5 * time.Second), at.Add(3 * time.Minute), 1},
		"another instance had it then": {at.Add(2 * time.Minute), at.Add(3 * time.Minute), 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := coverage.Config{GapAfter: time.Minute, Owns: func(string) bool { return true }}
			tracker := coverage.NewTracker(c, &coverage.State{Alive: tc.alive, NextGap: 5}, nil, tc.to)
			tracker.NotCommitted(at, tc.to)
			n := 0
			records, _ := tracker.Take(tc.to, false)
			for _, r := range records {
				g := r.Gap
				if n++; g.Reason != coverage.Kafka || !g.Closed || !g.From.Equal(at) || !g.To.Equal(tc.to) || g.Number != 5 {
					t.Errorf("%+v", g)
				}
			}
			if n != tc.want {
				t.Errorf("%d gaps, want %d", n, tc.want)
			}
		})
	}
}

// What is throttled is only late as long as other requests are answered, also if they are about workers of other shards.
func TestThrottledWhileOthersAreAnswered(t *testing.T) {
	for name, tc := range map[string]struct {
		others bool
		within time.Duration // of which a gap is open
	}{
		"others are answered": {true, 10 * time.Minute},
		"none is answered":    {false, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, time.Minute)
			s.of = coverage.NewTracker(coverage.Config{GapAfter: time.Minute, Owns: func(id string) bool { return id == "mine" }}, nil, nil, s.now)
			s.list(coverage.ListFarms, "", "", "", "f")
			begin := s.now
			for len(s.scopes()) == 0 {
				s.list(coverage.ListFarms, "", "", coverage.Throttled)
				if tc.others {
					s.listing("other", "")
				}
				if s.now.Sub(begin) > time.Hour {
					t.Fatal("there is no gap")
				}
			}
			if after := s.now.Sub(begin); after < tc.within || after > tc.within+5*time.Second {
				t.Errorf("a gap has opened after %v, want %v", after, tc.within)
			}
		})
	}
}

// An outage is one gap of everything, although the last answers came one after the other and not everything is asked meanwhile. What
// is answered more than a second after something else began to fail is no part of its gap.
func TestOutageIsOneGap(t *testing.T) {
	for name, tc := range map[string]struct {
		listed float64 // when the only listing was answered; the workers were listed at 3, and no more from 5 on
		want   []string
	}{
		"answered before":     {1, []string{"gap 1 begins: throttled, everything from 3s, affects changes announced starts"}},
		"answered last":       {4, []string{"gap 1 begins: throttled, everything from 4s, affects changes announced starts"}},
		"answered just after": {6, []string{"gap 1 begins: throttled, everything from 6s, affects changes announced starts"}},
		"answered afterwards": {8, []string{"gap 1 begins: throttled, everything from 3s, affects announced starts"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, coverage.Config{})
			e.discover("f", "f/l/a")
			e.take(true)
			for n := 1.; n < 80; n++ {
				switch e.at(n); {
				case n == 3:
					e.listWorkers("f/l", "a")
				case n == tc.listed:
					e.list("f/l/a", 1)
				case n >= 5:
					e.fails(coverage.Throttled, coverage.ListWorkers, "f/l")
				}
				if got := e.take(false); len(got) > 0 {
					e.expect(tc.want, got)
					return
				}
			}
			t.Error("there is no gap")
		})
	}
}

// What began to fail long before the rest, but is not in a gap yet because it is only throttled, gets a gap of its own.
func TestThrottledBeforeOthersFail(t *testing.T) {
	e := newListed(t)
	var got []string
	for n := 5.; n < 1000; n += 5 {
		e.at(n)
		e.fails(coverage.Throttled, coverage.ListFleets, "f")
		e.status("f/l/a")
		if n < 400 {
			e.list("f/l/a", 1)
		} else {
			e.fails(coverage.Failing, coverage.ListSessionsForWorker, "f/l/a")
		}
		got = append(got, e.take(false)...)
	}
	e.at(1000)
	e.listFleets("f", "l")
	e.list("f/l/a", 1)
	got = append(got, e.take(false)...)
	e.expect([]string{
		"gap 1 begins: failing, everything from 395s, affects changes starts",
		"gap 2 begins: throttled, everything from 0s, affects announced starts",
		"gap 2 is over: throttled, everything from 0s to 1000s",
		"gap 1 is over: failing, everything from 395s to 1000s",
	}, got)
}

// It also does if both are found to fail at the same time.
func TestThrottledBeforeAllFail(t *testing.T) {
	e := newListed(t)
	var got []string
	for n := 5.; n < 800; n += 5 {
		e.at(n)
		e.fails(coverage.Throttled, coverage.ListFleets, "f")
		if n < 535 {
			e.list("f/l/a", 1)
		} else {
			e.fails(coverage.Throttled, coverage.ListSessionsForWorker, "f/l/a")
		}
		if n <= 535 {
			e.status("f/l/a")
		}
		got = append(got, e.take(false)...)
	}
	e.expect([]string{
		"gap 1 begins: throttled, everything from 535s, affects changes announced starts",
		"gap 2 begins: throttled, everything from 0s, affects announced starts",
	}, got)
}
