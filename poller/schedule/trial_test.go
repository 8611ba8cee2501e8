package schedule

import (
	"testing"
	"time"

	"farmwire/diff"
)

// BatchGetSession is tried soon after a session was seen and once an hour, although no session needs it, and GetSession if that
// is denied. So missing permissions are known at once.
func TestTrials(t *testing.T) {
	for name, c := range map[string]struct {
		reason        Reason // of BatchGetSession
		batch, single int    // trials in two hours
	}{
		"allowed":   {"", 3, 0},
		"denied":    {Denied, 3, 3},
		"throttled": {Throttled, 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(15*time.Second, 10, 1).add(0, 2).own()
			p.run(time.Minute)
			trials := func(k Kind) int { return p.count(func(c made) bool { return c.Kind == k && isTrial(c.Call) }) }
			if p.schedule.Counts().SessionSeen || trials(BatchGetSession) > 0 {
				t.Error("there was no session yet")
			}
			p.answer = func(x Call) Answer {
				if x.Kind == BatchGetSession && c.reason != "" {
					return refused(c.reason)
				}
				a := lookedUp(x)
				if x.Kind == ListSessionsForWorker {
					a.Sample = openSession(x.Worker, 0)
				}
				return a
			}
			p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1)} }
			p.run(time.Minute)
			if !p.schedule.Counts().SessionSeen || trials(BatchGetSession) == 0 {
				t.Error("no trial within a minute")
			}
			p.run(2*time.Hour + time.Minute)
			p.check(t)
			within := func(n, want int) bool { return n >= want && n <= want+want/3 }
			if batch, single := trials(BatchGetSession), trials(GetSession); !within(batch, c.batch) || !within(single, c.single) {
				t.Errorf("%d trials of BatchGetSession, %d of GetSession", batch, single)
			}
		})
	}
}

// An open session is a better sample than one that has ended.
func TestSample(t *testing.T) {
	s := newPlay(15*time.Second, 10, 1).schedule
	ended := openSession(key(1), 1)
	ended.LifecycleStatus = diff.StatusEnded
	for _, x := range []struct{ shown, want diff.Session }{
		{diff.Session{}, diff.Session{}}, {ended, ended}, {openSession(key(1), 2), openSession(key(1), 2)}, {ended, openSession(key(1), 2)},
		{diff.Session{}, openSession(key(1), 2)}, {openSession(key(1), 3), openSession(key(1), 3)},
	} {
		if s.takeSample(x.shown); s.trial.sample != x.want {
			t.Errorf("the sample is %+v, want %+v", s.trial.sample, x.want)
		}
	}
}

// The open sessions of a farm are swept again ten minutes after BatchGetSession has failed there, not only after the hourly trial,
// and that in every farm.
func TestSweepsAreResumed(t *testing.T) {
	p := newPlayOf(Config{Staleness: 15 * time.Second, Rate: 4}, 1).add(0, 50)
	other := fleetKey{"farm-2", "fleet-2"}
	for n := range 50 {
		p.workers[other] = append(p.workers[other], Worker{ID: key(200 + n).WorkerID, Status: diff.WorkerStatus{Status: running}})
	}
	p.known = func(w diff.WorkerKey) Known { return Known{Open: openSessions(w, 1)} }
	fails := false
	p.answer = func(c Call) Answer {
		if fails && c.Kind == BatchGetSession {
			return refused(ServerError)
		}
		a := lookedUp(c)
		if c.Kind == ListSessionsForWorker {
			a.Sample = openSession(c.Worker, 0)
		}
		return a
	}
	p.own()
	p.run(5 * time.Minute)
	fails = true
	p.run(3 * time.Minute)
	if fs := p.schedule.farmOrder; len(fs) != 2 || fs[0].isSwept || fs[1].isSwept {
		t.Fatal("BatchGetSession is still in use")
	}
	fails = false
	p.run(11 * time.Minute)
	p.check(t)
	for _, f := range p.schedule.farmOrder {
		if !f.isSwept {
			t.Errorf("%s is not swept", f.id)
		}
	}
}
