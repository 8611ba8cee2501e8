package schedule

import (
	"cmp"
	"math"
	"testing"
	"time"
)

var endless = demand{kind: ListSessionsForWorker, rate: math.Inf(1)}

// Operations that are throttled cost the others nothing, however many they are, and also if they are the busiest ones.
func TestOthersAreThrottled(t *testing.T) {
	for name, tc := range map[string]struct {
		sessions float64 // BatchGetSession/s that are wanted
		quotas   map[Kind]float64
	}{
		"listings":                    {8, map[Kind]float64{ListSessionsForWorker: 5}},
		"discovery":                   {8, map[Kind]float64{ListFarms: 0, ListFleets: 0, ListWorkers: 0}},
		"discovery and listings":      {8, map[Kind]float64{ListFleets: 0, ListWorkers: 0, ListSessionsForWorker: 5}},
		"listings and statuses":       {8, map[Kind]float64{ListSessionsForWorker: 5, BatchGetWorker: .5}},
		"statuses, and most listings": {.5, map[Kind]float64{ListSessionsForWorker: 5, BatchGetWorker: 0}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(1, nil)
			for k, rate := range tc.quotas {
				a.quotas[k] = &quota{rate: constant(rate), burst: 1}
			}
			u := a.add(20, 12, demand{kind: ListFarms, rate: .1}, demand{kind: ListFleets, rate: .2}, demand{kind: ListWorkers, rate: 1},
				demand{kind: BatchGetWorker, rate: 1}, demand{kind: BatchGetSession, rate: tc.sessions}, endless)
			a.run(600)
			accepted := func(k Kind) float64 { return float64(u.acceptedOf[k]) / 600 }
			t.Logf("accepted %v, throttled %v", u.acceptedOf, u.deniedOf)
			if got := accepted(BatchGetSession); got < .9875*tc.sessions {
				t.Errorf("%.2f BatchGetSession/s, want %.2f", got, tc.sessions)
			}
			want := cmp.Or(tc.quotas[ListSessionsForWorker], 9.9) // without a quota, what the others leave of the rate
			if got := accepted(ListSessionsForWorker); got < .97*want {
				t.Errorf("%.2f ListSessionsForWorker/s, want %.2f", got, want)
			}
			if u.budget.pace(BatchGetSession) != 20 {
				t.Errorf("the pace of BatchGetSession is %.2f, want 20", u.budget.pace(BatchGetSession))
			}
		})
	}
}

// What was throttled long ago says nothing of what is throttled now, even if it was throttled as often then.
func TestThrottledLongAgo(t *testing.T) {
	b, now := newBudget(100, epoch), epoch
	for _, k := range []Kind{BatchGetWorker, ListSessionsForWorker} {
		now = now.Add(5 * time.Minute)
		for range 20 {
			b.answered(k, now, now)
		}
		b.throttled(k, now, 0, now)
	}
	if got := b.pace(BatchGetSession); got != 100 {
		t.Errorf("the pace of BatchGetSession is %.2f, want 100", got)
	}
}

// A quota of nothing for five minutes is probed less than once a second, and used soon after.
func TestQuotaOfNothing(t *testing.T) {
	q := &quota{burst: 1, rate: func(t float64) float64 {
		if t >= 100 && t < 400 {
			return 0
		}
		return 50
	}}
	a := newAccount(1, q)
	a.add(50, 12, endless)
	a.run(500)
	if got := count(a.sent, 110, 400); got < 50 || got > 290 {
		t.Errorf("%d requests from 10 s on in 290 s, want at most one a second", got)
	}
	back := settles(a.passed, 400, func(rate float64) bool { return rate >= 45 })
	t.Logf("%d requests in 300 s, back after %.1f s", count(a.sent, 100, 400), back)
	if back > 40 {
		t.Errorf("back after %.1f s", back)
	}
}

// A pace is cut once a round trip, from what is really sent, and the next request waits.
func TestCut(t *testing.T) {
	b, now := newBudget(100, epoch), epoch
	for range 50 {
		b.take(ListSessionsForWorker, b.ready(ListSessionsForWorker, now))
		now = now.Add(500 * time.Millisecond)
	}
	sent := now.Add(-100 * time.Millisecond)
	b.throttled(ListSessionsForWorker, sent, 0, now)
	first := b.pace(ListSessionsForWorker)
	if first > 2 {
		t.Errorf("a pace of %.2f after two requests a second were too much", first)
	}
	if at := b.ready(ListSessionsForWorker, now); at.Sub(now) < 400*time.Millisecond {
		t.Errorf("the next request is sent after %v", at.Sub(now))
	}
	b.throttled(ListSessionsForWorker, sent, 0, now)
	if b.pace(ListSessionsForWorker) != first {
		t.Errorf("cut again from %.2f to %.2f in the same round trip", first, b.pace(ListSessionsForWorker))
	}
	b.setShare(6, 12, now)
	if got := b.pace(ListSessionsForWorker); math.Abs(got-first/2) > 1e-9 {
		t.Errorf("a pace of %.2f with half of the shards, want half of %.2f", got, first)
	}
}
