package status

import (
	"context"
	"time"
)

const (
	lookEvery   = 5 * time.Second
	lastsFor    = 2   // looks in a row that must show a cause before it is told, and that must not show it before it is told to be gone
	lastsLonger = 6   // the looks that must show a cause that is part of every start
	patience    = 3   // times that a cause may come and go before more looks are needed to tell that it is gone
	longestGone = 120 // the most looks that must not show a cause before it is told to be gone
)

// Change is a cause that has appeared or is gone, or a change of readiness.
type Change struct {
	Cause Cause // the last one that was seen; zero for a change of readiness
	Gone  bool
	Ready bool // whether the instance is ready now
}

// Follow looks at the report every few seconds until ctx ends, and tells each change of it once. A cause is told when it has
// lasted for some seconds, with the text that it has then. Notes are not told. What comes and goes again and again is told less
// and less often, down to once in ten minutes.
func Follow[F facts](ctx context.Context, report func() F, tell func(Change)) {
	f := follower{lasting: map[Key]*lasting{{}: {told: true}}, tell: tell}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r := report(); ctx.Err() == nil { // during a stop everything comes to an end, which is no news
				f.look(r)
			}
		}
	}
}

// follower knows what was told.
type follower struct {
	lasting map[Key]*lasting
	ready   bool
	tell    func(Change)
}

// lasting is a cause that was seen by one of the last looks, or came and went.
type lasting struct {
	cause  Cause
	seen   int // looks in a row that showed it, or below 0 that did not
	told   bool
	worst  Severity // that was told
	passed int      // how often it was told to be gone
}

// look tells what has changed. That the instance is not ready is followed like a cause, whose Key is the zero value.
func (f *follower) look(r facts) {
	f.ready = ready(r)
	shown := make(map[Key]bool)
	for _, c := range bySeverity(r) {
		if c.Severity != Note {
			shown[c.Key] = true
			f.show(c)
		}
	}
	if !f.ready {
		shown[Key{}] = true
		f.show(Cause{})
	}
	for key, l := range f.lasting {
		if key != (Key{}) && !shown[key] {
			f.miss(key, l)
		}
	}
	if l := f.lasting[Key{}]; l != nil && f.ready {
		f.miss(Key{}, l)
	}
}

// show takes in that a look has shown a cause. A cause that is not named is not told, nor is it told to be gone.
func (f *follower) show(c Cause) {
	l := f.lasting[c.Key]
	switch {
	case l == nil && c.Unnamed:
		return
	case l == nil:
		l = &lasting{}
		f.lasting[c.Key] = l
	}
	l.cause, l.seen = c, max(l.seen, 0)+1
	if l.seen >= c.looks() && !c.Unnamed && (!l.told || c.Severity < l.worst) {
		l.told, l.worst = true, c.Severity
		f.tell(Change{Cause: c, Ready: f.ready})
	}
}

// miss takes in that a look has not shown a cause.
func (f *follower) miss(key Key, l *lasting) {
	l.seen = min(l.seen, 0) - 1
	switch {
	case l.told && -l.seen >= min(l.cause.looksGone()<<min(max(0, l.passed-patience), 10), longestGone):
		l.told = false
		l.passed++
		f.tell(Change{Cause: l.cause, Gone: true, Ready: f.ready})
	case !l.told && (l.passed == 0 || -l.seen > longestGone):
		delete(f.lasting, key) // it was never told, or is gone for long
	}
}

// looks returns how many looks in a row must show a cause before it is told.
func (c Cause) looks() int {
	switch {
	case c.Key == Key{}:
		return 1
	case c.Progress:
		return lastsLonger
	}
	return lastsFor
}

// looksGone returns how many looks in a row must not show a cause before it is told to be gone. If it comes and goes more often
// than patience, they are twice as many each time.
func (c Cause) looksGone() int {
	if c.Key == (Key{}) {
		return 1
	}
	return lastsFor
}
