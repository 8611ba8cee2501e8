package schedule

import (
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// histories is a play of workers whose listings have ten pages. The page changes what a page of a worker shows.
func histories(workers int, rate float64, page func(c Call, a *Answer)) *play {
	p := newPlay(15*time.Second, rate, 1).add(0, workers).allIdle()
	p.answer = func(c Call) Answer {
		a := lookedUp(c)
		if c.Kind == ListSessionsForWorker {
			a.NewestFirst, a.Settled = true, true
			if c.Page < 10 {
				a.Next = "next"
			}
			page(c, &a)
		}
		return a
	}
	return p.own()
}

// A listing is not read on after a page of which the older half is known, if its pages came newest first. One that came in
// another order is read to the end, and so are all other listings of that worker.
func TestListingsStopEarly(t *testing.T) {
	for what, c := range map[string]struct {
		page  func(c Call, a *Answer)
		pages int
	}{
		"known and newest first": {func(Call, *Answer) {}, 1},
		"news on three pages":    {func(c Call, a *Answer) { a.Settled = c.Page > 3 }, 4},
		"unknown order":          {func(_ Call, a *Answer) { a.NewestFirst = false }, 10},
		"another order":          {func(_ Call, a *Answer) { a.NewestFirst, a.Unordered = false, true }, 10},
		"never known":            {func(_ Call, a *Answer) { a.Settled = false }, 10},
	} {
		t.Run(what, func(t *testing.T) {
			p := histories(1, 2, c.page)
			p.run(12 * time.Second)
			p.check(t)
			listings := make(map[uint64]int)
			for _, x := range p.calls {
				if x.Kind == ListSessionsForWorker {
					listings[x.List] = x.Page
				}
			}
			first := slices.IndexFunc(p.calls, func(x made) bool { return x.Kind == ListSessionsForWorker })
			if n := listings[p.calls[first].List]; n != c.pages {
				t.Errorf("the first listing has %d pages, want %d", n, c.pages)
			}
		})
	}
}

// A worker of which one listing ever came in another order is listed to the end for good.
func TestUnorderedWorkersAreNeverStopped(t *testing.T) {
	unordered := uint64(0) // the list
	p := histories(1, 10, func(c Call, a *Answer) {
		if unordered == 0 && c.Page == 2 {
			unordered = c.List
		}
		if c.List == unordered {
			a.NewestFirst, a.Unordered = false, true
		}
		a.Settled = c.Page > 1
	})
	p.run(5 * time.Minute)
	p.check(t)
	stopped := 0
	for _, o := range p.outcomes {
		stopped += one(o.Stage == Stopped)
	}
	if w := p.schedule.workers[key(0)]; unordered == 0 || stopped > 0 || !w.unordered || w.isShort() {
		t.Errorf("%d listings were stopped", stopped)
	}
}

// Complete listings of workers whose listings stop early have a twentieth of the requests, and each worker has its turn.
func TestCompleteListingsHaveAShare(t *testing.T) {
	p := histories(40, 2, func(Call, *Answer) {})
	p.run(10 * time.Minute)
	from := p.now
	p.run(5 * time.Hour)
	p.check(t)
	complete, pages, all := make(map[diff.WorkerKey]int), 0, 0
	for _, c := range p.calls {
		if c.at.Before(from) {
			continue
		}
		all++
		pages += one(c.Page > 1)
		complete[c.Worker] += one(c.Page == 10)
	}
	if share := float64(pages) * 10 / 9 / float64(all); share < .04 || share > .06 {
		t.Errorf("complete listings have %.3f of the requests", share)
	}
	for n := range 40 {
		if c := complete[key(n)]; c < 3 || c > 7 {
			t.Errorf("worker %d was listed completely %d times in 5 h, want about 4.5", n, c)
		}
	}
}

// A session that a listing lacks, or that a lookup does not find, makes the next listing of its worker complete.
func TestAbsenceNeedsCompleteListings(t *testing.T) {
	for what, c := range map[string]struct {
		unresolved bool
		finding    Finding
		complete   bool
	}{
		"found": {false, Found, false}, "lacking": {true, Found, true}, "not found": {false, NotFound, true}, "no queue": {false, NoQueue, true},
	} {
		t.Run(what, func(t *testing.T) {
			p := histories(30, 1, func(Call, *Answer) {})
			p.run(3 * time.Minute)
			from := p.now
			page := p.answer
			p.known = func(w diff.WorkerKey) Known {
				if w != key(7) {
					return Known{}
				}
				k := Known{Open: openSessions(w, 1)}
				if c.unresolved {
					k.Unresolved = k.Open
				}
				return k
			}
			p.answer = func(x Call) Answer {
				a := page(x)
				for id := range a.Findings {
					a.Findings[id] = c.finding
				}
				return a
			}
			w := p.schedule.workers[key(7)]
			w.completeAt = p.now.Add(time.Hour) // it is not its turn
			p.schedule.makeUrgent(w, p.now)
			p.run(10 * time.Second)
			if c.unresolved || !c.complete {
				p.schedule.makeUrgent(w, p.now) // the next one, whatever it is for
			}
			p.run(80 * time.Second)
			p.check(t)
			n := p.count(func(x made) bool { return !x.at.Before(from) && x.Worker == key(7) && x.Page == 10 })
			if n > 0 != c.complete {
				t.Errorf("%d complete listings", n)
			}
		})
	}
}

// A worker whose complete listing fails every time does not take the turns of the others.
func TestFailingCompleteListingDelaysNoOther(t *testing.T) {
	p := histories(20, 2, func(c Call, a *Answer) {
		if c.Worker == key(3) && c.Page == 5 {
			*a = refused(FieldTooLong)
		}
	})
	p.run(10 * time.Minute)
	from := p.now
	p.run(3 * time.Hour)
	p.check(t)
	checkComplete(t, p, from, 3)
}

// checkComplete fails the test if a worker of 20 was not listed completely since then, apart from one.
func checkComplete(t *testing.T, p *play, from time.Time, but int) {
	t.Helper()
	complete := make(map[diff.WorkerKey]int)
	for _, c := range p.calls {
		if !c.at.Before(from) {
			complete[c.Worker] += one(c.Page == 10)
		}
	}
	for n := range 20 {
		if n != but && complete[key(n)] == 0 {
			t.Errorf("worker %d was not listed completely", n)
		}
	}
}

// A fleet that fails as a whole does not take the turns of other fleets' complete listings.
func TestFailingFleetDelaysNoCompleteListing(t *testing.T) {
	other := fleetKey{"farm-2", "fleet-2"}
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 2}, 1).add(0, 20)
	for n := range 20 {
		p.workers[other] = append(p.workers[other], Worker{ID: key(200 + n).WorkerID})
	}
	fails := false
	p.answer = func(c Call) Answer {
		a := lookedUp(c)
		if c.Kind == ListSessionsForWorker {
			if a.NewestFirst, a.Settled = true, true; c.Page < 10 {
				a.Next = "next"
			}
			if fails && c.Worker.FarmID == "farm-2" {
				return refused(Denied)
			}
		}
		return a
	}
	p.allIdle().own()
	p.run(10 * time.Minute)
	fails = true
	p.run(10 * time.Minute)
	from := p.now
	p.run(3 * time.Hour)
	p.check(t)
	checkComplete(t, p, from, -1)
}

// A worker that was deleted is not listed again and again until ListWorkers says so.
func TestDeletedWorkerIsListedRarely(t *testing.T) {
	p := newPlay(15*time.Second, 1, 1).add(0, 200).allIdle()
	isGone, isOpen := false, true
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, one(isOpen && number(w) < 30))} }
	p.answer = func(c Call) Answer {
		if isGone && c.Kind == ListSessionsForWorker && number(c.Worker) < 30 {
			return noSuch
		}
		a := lookedUp(c)
		for _, x := range c.Sessions {
			if isGone && number(x.WorkerKey) < 30 {
				a.Findings[x.SessionID] = NotFound
			}
		}
		return a
	}
	p.own()
	p.run(20 * time.Minute)
	isGone = true
	p.run(3 * time.Minute)
	isOpen = false
	p.run(3 * time.Minute)
	from := p.now
	p.run(10 * time.Minute)
	p.check(t)
	n := p.count(func(c made) bool {
		return !c.at.Before(from) && c.Kind == ListSessionsForWorker && number(c.Worker) < 30
	})

	if n > 60 {
		t.Errorf("30 deleted workers were listed %d times in 10 min", n)
	}
}

// A patient listing keeps no other one waiting, although it has fewer pages left.
func TestPatientListingGivesWay(t *testing.T) {
	p := histories(2, 10, func(Call, *Answer) {})
	p.run(time.Minute)
	s := p.schedule
	s.listings = nil
	for n, x := range []*task{{patient: true, page: 9}, {page: 2}} {
		x.kind, x.worker = ListSessionsForWorker, s.workers[key(n)]
		x.worker.lastPages = 10
		s.listings = append(s.listings, x)
	}
	c := &choice{s: s, now: p.now.Add(time.Minute)}
	if got := c.nextPage(); got != s.listings[1] {
		t.Errorf("the next page is of %+v", got)
	}
}
