package schedule_test

import (
	"testing"
	"time"

	"farmwire/poller/schedule"
	"farmwire/poller/schedule/simulation"
)

// spy reports the calls of a Schedule.
type spy struct {
	*schedule.Schedule
	sent func(now time.Time, c schedule.Call)
}

func (s spy) Next(now time.Time) (schedule.Call, time.Time) {
	c, wake := s.Schedule.Next(now)
	if c.Number > 0 {
		s.sent(now, c)
	}
	return c, wake
}

// After a restart with 7,500 workers all open sessions are asked for within five seconds, and no worker is listed a second
// time before every one was listed once, unless its status announces a session.
func TestRestart(t *testing.T) {
	c := simulation.Config{Workers: 7500, Rate: 10, Session: 30 * time.Minute}.WithDefaults()
	s, err := simulation.New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.Observe()
	known := s.Known()
	open := make(map[string]bool)
	for _, k := range known {
		for _, session := range k.Open {
			open[session.SessionID] = true
		}
	}
	asked := make(map[string]bool)
	listed := make(map[string]int)
	began := s.Now()
	var askedAll, listedAll time.Duration
	again := 0
	in := spy{schedule.New(configOf(c, 12), s.Now()), func(now time.Time, c schedule.Call) {
		for _, session := range c.Sessions {
			asked[session.SessionID] = true
		}
		if c.Kind == schedule.ListSessionsForWorker {
			if listed[c.Worker.WorkerID]++; listed[c.Worker.WorkerID] == 2 && listedAll == 0 {
				again++
			}
		}
		if len(asked) >= len(open) && askedAll == 0 {
			askedAll = now.Sub(began)
		}
		if len(listed) == 7500 && listedAll == 0 {
			listedAll = now.Sub(began)
		}
	}}
	for shard := range 12 {
		var of []schedule.Known
		for _, k := range known {
			if configOf(c, 12).Shard(k.Worker.WorkerID) == shard {
				of = append(of, k)
			}
		}
		in.Own(shard, of, s.Now())
	}
	s.Drive(in)
	run(t, s, 18*time.Minute)
	// A session is announced while the worker is listed for the first time, on the average half way through.
	announced := len(open) * int(listedAll/time.Minute) / 30 / 2
	t.Logf("%d open sessions of %d workers were asked for after %v; all workers were listed after %v, %d of them twice by then", len(open), len(known), askedAll, listedAll, again)
	if askedAll == 0 || askedAll > 5*time.Second {
		t.Errorf("%d of %d sessions were asked for, all after %v", len(asked), len(open), askedAll)
	}
	if listedAll == 0 || listedAll > 17*time.Minute || again > announced*6/5 {
		t.Errorf("%d workers were listed, all after %v, %d twice by then, and %d announced", len(listed), listedAll, again, announced)
	}
}
