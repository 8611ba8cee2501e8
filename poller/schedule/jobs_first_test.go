package schedule

import (
	"testing"
	"time"
)

// A restored worker that a job's listing shows something new of before its first listing is listed soon all the same: there may
// be more that is new. Only without discovery would its listing be due hours later.
func TestJobPageDoesNotReplaceTheFirstListing(t *testing.T) {
	p := newPlay(15*time.Second, 2, 1).add(0, 60).allIdle().own(key(7))
	s := p.schedule
	w := s.workers[key(7)]
	for w.presence != presenceShown {
		p.run(10 * time.Millisecond)
	}
	if !w.urgent || !w.listedAt.IsZero() || w.activity != resting {
		t.Fatalf("urgent %v, listed at %v, activity %v", w.urgent, w.listedAt, w.activity)
	}
	o := new(Outcome)
	s.jobPage(&task{kind: ListSessions}, Answer{Sessions: openSessions(key(7), 1)}, p.now, o)
	if len(o.Workers) != 1 {
		t.Fatalf("observations of %v", o.Workers)
	}
	s.Committed(Known{Worker: key(7)}, p.now)
	p.run(2 * time.Minute)
	p.check(t)
	if n := p.count(func(c made) bool { return c.Worker == key(7) }); n == 0 {
		t.Errorf("it is not listed, and due in %v", w.listingDue.Sub(p.now))
	}
}
