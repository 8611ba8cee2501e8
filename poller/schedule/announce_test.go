package schedule

import (
	"slices"
	"testing"
	"time"

	"farmwire/diff"
)

// swept returns a play of idle workers that cannot all be listed within a heartbeat, after everything was found and listed.
func swept(workers int, rate float64) *play {
	p := newPlay(15*time.Second, rate, 1).add(0, workers).allIdle().own()
	p.run(time.Duration(3*float64(workers)/rate) * time.Second)
	return p
}

// look is a look at the status of a worker, so many seconds after the last session ended.
type look struct {
	status string
	sent   float64
}

// After the end of a session RUNNING announces another one only when a heartbeat has passed or something else was seen in between.
func TestWhatAnnouncesASession(t *testing.T) {
	for what, c := range map[string]struct {
		looks     []look
		change    func(*Schedule, *worker) // before the looks
		announced bool
	}{
		"idle":                           {looks: []look{{"IDLE", 30}}},
		"soon after the end":             {looks: []look{{"RUNNING", 1}, {"RUNNING", 19.9}}},
		"a heartbeat after the end":      {looks: []look{{"RUNNING", 20}}, announced: true},
		"rested":                         {looks: []look{{"IDLE", 3}, {"RUNNING", 6}}, announced: true},
		"stopping in between":            {looks: []look{{"STOPPING", 3}, {"RUNNING", 6}}, announced: true},
		"rested before the end":          {looks: []look{{"IDLE", -1}, {"RUNNING", 6}}},
		"the answer to an older request": {looks: []look{{"IDLE", 10}, {"RUNNING", 9}}},
		"a session is open": {looks: []look{{"RUNNING", 30}}, change: func(s *Schedule, w *worker) {
			w.Open = openSessions(w.Worker, 1)
		}},
		"in a call":                     {looks: []look{{"RUNNING", 30}}, change: func(_ *Schedule, w *worker) { w.activity = inCall }},
		"fruitless once":                {looks: []look{{"RUNNING", 34}}, change: fruitless(1)},
		"fruitless once, and long ago":  {looks: []look{{"RUNNING", 35}}, change: fruitless(1), announced: true},
		"fruitless twice":               {looks: []look{{"RUNNING", 64}}, change: fruitless(2)},
		"fruitless twice, and long ago": {looks: []look{{"RUNNING", 65}}, change: fruitless(2), announced: true},
		"fruitless often":               {looks: []look{{"RUNNING", 904}}, change: fruitless(200)},
		"fruitless often, and long ago": {looks: []look{{"RUNNING", 905}}, change: fruitless(200), announced: true},
		"fruitless, and it rested":      {looks: []look{{"IDLE", 5}, {"RUNNING", 8}}, change: fruitless(5), announced: true},
	} {
		t.Run(what, func(t *testing.T) {
			p := swept(60, 2)
			w := p.schedule.workers[key(7)]
			w.endedAt, w.statusAt, w.rested = p.now, p.now.Add(-time.Minute), false
			if c.change != nil {
				c.change(p.schedule, w)
			}
			for _, l := range c.looks {
				sent := p.now.Add(seconds(l.sent))
				p.schedule.showStatus(w, diff.WorkerStatus{Status: l.status}, sent)
				p.schedule.noteStatus(w, sent, sent)
			}
			if w.announced != c.announced || w.urgent != c.announced {
				t.Errorf("announced: %v, urgent: %v, want %v", w.announced, w.urgent, c.announced)
			}
		})
	}
}

// fruitless lets so many listings in a row have shown no session, of which the last one begins now.
func fruitless(n uint8) func(*Schedule, *worker) {
	return func(_ *Schedule, w *worker) { w.fruitless, w.listingBegun = n, w.endedAt }
}

// An announced worker is listed soon, also if its status changes again before.
func TestAnnouncementsStay(t *testing.T) {
	p := swept(60, 2)
	w := p.schedule.workers[key(7)]
	p.schedule.showStatus(w, diff.WorkerStatus{Status: "RUNNING"}, p.now)
	p.schedule.noteStatus(w, p.now, p.now)
	p.schedule.showStatus(w, diff.WorkerStatus{Status: "IDLE"}, p.now.Add(time.Millisecond))
	p.schedule.noteStatus(w, p.now.Add(time.Millisecond), p.now)
	if !w.announced || !w.urgent {
		t.Error("the announcement is forgotten")
	}
	from := p.now
	p.run(2 * time.Second)
	p.check(t)
	if n := p.count(func(c made) bool { return !c.at.Before(from) && c.Worker == key(7) }); n != 1 {
		t.Errorf("%d listings", n)
	}
	if w.announced || w.urgent {
		t.Errorf("after the listing: announced %v, urgent %v", w.announced, w.urgent)
	}
}

// A listing that shows what was announced ends the row of those that have not.
func TestNewsEndFruitlessness(t *testing.T) {
	p := swept(60, 2)
	w := p.schedule.workers[key(7)]
	w.fruitless = 5
	p.answer = func(c Call) Answer {
		a := lookedUp(c)
		if c.Worker == key(7) {
			a.Sessions = openSessions(key(7), 1)
		}
		return a
	}
	w.announced = true
	p.schedule.makeUrgent(w, p.now)
	p.run(2 * time.Second)
	p.check(t)
	if w.fruitless != 0 || w.starts != 1 {
		t.Errorf("fruitless %d after %d starts", w.fruitless, w.starts)
	}
}

// Where most sessions follow another one at once, a worker is listed as soon as the next one has probably begun.
func TestLearnedGap(t *testing.T) {
	for _, learned := range []bool{true, false} {
		p := swept(60, 2)
		w := p.schedule.workers[key(7)]
		for range 30 * one(learned) {
			w.fleet.gaps.note(4 * time.Second)
		}
		x := openSession(key(7), 1)
		x.StartedAt, x.EndedAt, x.LifecycleStatus = p.now.Add(-time.Minute), p.now, diff.StatusEnded
		p.schedule.noteEnd(w, x, p.now)
		from := p.now
		p.run(3900 * time.Millisecond)
		if w.announced || w.expectedPlace.in != nil != learned {
			t.Errorf("learned %v: announced %v, expected %v", learned, w.announced, w.expectedPlace.in != nil)
		}
		p.run(1100 * time.Millisecond)
		p.check(t)
		n := p.count(func(c made) bool { return !c.at.Before(from.Add(4*time.Second)) && c.Worker == key(7) })
		if n != one(learned) {
			t.Errorf("learned %v: %d listings right after the gap", learned, n)
		}
	}
}

// The status of a worker is that of the answer that was asked for last, whichever operation it is of and whichever arrives first.
func TestStatusIsThatOfTheLastRequest(t *testing.T) {
	p := swept(60, 2)
	s, w := p.schedule, p.schedule.workers[key(7)]
	byBatch := func(status string, sent time.Time) {
		shown := Answer{Sent: sent, Statuses: map[diff.WorkerKey]diff.WorkerStatus{w.Worker: {Status: status}}}
		s.statusesDone(&task{kind: BatchGetWorker, farm: w.fleet.farm, workers: []*worker{w}}, shown, p.now, new(Outcome))
	}
	byList := func(status string, sent time.Time) {
		t := &task{kind: ListWorkers, target: s.targets[targetKey(w.fleet.fleetKey)], sent: sent}
		s.showPage(t, Answer{Workers: []Worker{{ID: w.Worker.WorkerID, Status: diff.WorkerStatus{Status: status}}}}, p.now, new(Outcome))
	}
	for _, c := range []struct {
		show   func(string, time.Time)
		status string
		sent   float64
		want   string
	}{
		{byBatch, "STOPPING", 2, "STOPPING"},
		{byList, "RUNNING", 1, "STOPPING"},
		{byList, "STOPPED", 4, "STOPPED"},
		{byBatch, "STOPPING", 3, "STOPPED"},
		{byBatch, "STARTED", 5, "STARTED"},
		{byList, "STARTED", 6, "STARTED"},
		{byList, "IDLE", 7, "IDLE"},
	} {
		c.show(c.status, p.now.Add(seconds(c.sent)))
		if got := s.Status(w.Worker).Status; got != c.want || w.fleet.shown[w.Worker.WorkerID].status.Status != c.want {
			t.Errorf("%s, asked for after %v s: the status is %s, want %s", c.status, c.sent, got, c.want)
		}
	}
}

// A worker that BatchGetWorker says does not exist is listed at once, and then no more often than others.
func TestGoneWorkers(t *testing.T) {
	p := swept(60, 2)
	shown := slices.Clone(p.workers[fleetKey{"farm-1", "fleet-1"}])
	p.remove(7, 8)
	p.found = func(c Call) Answer {
		if c.Kind == ListWorkers {
			return Answer{Workers: shown} // it does not show yet that the worker is gone
		}
		return p.discovered(c)
	}
	from := p.now
	p.answer = func(c Call) Answer {
		if c.Worker == key(7) {
			return noSuch
		}
		return lookedUp(c)
	}
	p.run(20 * time.Second)
	p.check(t)
	var asked, listed []time.Time
	for _, c := range p.calls {
		switch {
		case c.at.Before(from):
		case c.Worker == key(7):
			listed = append(listed, c.at)
		case c.Kind == BatchGetWorker:
			asked = append(asked, c.at)
		}
	}
	if len(asked) == 0 || len(listed) == 0 || listed[0].Sub(asked[0]) > 2*time.Second || len(listed) > 2 || len(listed) > 1 && listed[1].Sub(listed[0]) < 13*time.Second {
		t.Errorf("asked for its status at %v, listed at %v", asked, listed)
	}
}

// A worker that is being stopped is listed once more, because it may be deleted with a session that nothing has announced.
func TestStoppingWorkersAreListed(t *testing.T) {
	for status, want := range map[string]bool{"STOPPING": true, "STOPPED": true, "NOT_RESPONDING": true, "NOT_COMPATIBLE": true, "IDLE": false, "STARTED": false} {
		p := swept(60, 2)
		w := p.schedule.workers[key(7)]
		for n, urgent := range []bool{want, false} {
			sent := p.now.Add(seconds(float64(30 * n)))
			p.schedule.showStatus(w, diff.WorkerStatus{Status: status}, sent)
			p.schedule.noteStatus(w, sent, sent)
			if w.urgent != urgent {
				t.Errorf("%s, seen %d times: urgent %v, want %v", status, n+1, w.urgent, urgent)
			}
			w.urgent = false
		}
	}
}

// A listing that was throttled or given up is as urgent as before.
func TestUrgencyOutlivesThrottling(t *testing.T) {
	for _, isUrgent := range []bool{true, false} {
		for _, reason := range []Reason{Throttled, Cancelled} {
			p := swept(60, 2)
			s, w := p.schedule, p.schedule.workers[key(7)]
			if isUrgent {
				s.ask(w, p.now)
			}
			s.listingDone(s.beginListing(w, p.now), Answer{Reason: reason}, p.now, &Outcome{Stage: Discarded})
			if w.urgent != isUrgent {
				t.Errorf("%s: urgent %v, before %v", reason, w.urgent, isUrgent)
			}
		}
	}
}

// So is that of a worker that discovery does not show any more. It is not forgotten before it was listed once more.
func TestUrgencyOfMissingWorkersOutlivesThrottling(t *testing.T) {
	for _, reason := range []Reason{Throttled, Cancelled} {
		p := swept(60, 2)
		s, w := p.schedule, p.schedule.workers[key(7)]
		w.fleet.farm.isSwept, w.Empty = false, true
		delete(w.fleet.shown, w.Worker.WorkerID)
		s.workerMissing(w, p.now)
		if !w.urgent {
			t.Fatal("the worker is not to be listed once more")
		}
		s.listingDone(s.beginListing(w, p.now), Answer{Reason: reason}, p.now, &Outcome{Stage: Discarded})
		if !w.urgent || w.activity == dropped {
			t.Errorf("%s: urgent %v, dropped %v", reason, w.urgent, w.activity == dropped)
		}
	}
}

// An announcement outlives that the listing was throttled for so long that it was given up.
func TestAnnouncementOutlivesThrottling(t *testing.T) {
	p := newPlay(15*time.Second, 1, 1).add(0, 300).allIdle()
	isThrottled := false
	p.answer = func(c Call) Answer {
		if isThrottled && c.Kind == ListSessionsForWorker && c.Worker == key(7) {
			return refused(Throttled)
		}
		return lookedUp(c)
	}
	p.own()
	p.run(15 * time.Minute)
	isThrottled = true
	p.setStatus(7, running)
	p.run(time.Minute)
	p.setStatus(7, "IDLE")
	p.run(2 * time.Minute)
	isThrottled = false
	from := p.now
	p.run(3 * time.Minute)
	p.check(t)
	if n := p.count(func(c made) bool { return c.Worker == key(7) && !c.at.Before(from) }); n == 0 {
		t.Error("the worker was not listed")
	}
}
