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
				if x.Kind == ListSessions {
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
