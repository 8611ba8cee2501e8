package status

import (
	"context"
	"time"
)

const (
	lookEvery   = 5 * time.Second
	lastsFor    = 2 // looks in a row that must show a cause before it is told, and that must not show it before it is told to be gone
	lastsLonger = 6 // the same for causes that are part of every start
)

// Change is a cause that has appeared or is gone, or a change of readiness.
type Change struct {
	Cause Cause // the last one that was seen; zero for a change of readiness
	Gone  bool
	Ready bool // whether the instance is ready now
}

// Follow looks at the report every few seconds until ctx ends, and tells each change of it once. A cause is told when it has
// lasted for some seconds, with the text that it has then. Notes are not told.
func Follow(ctx context.Context, report func() Report, tell func(Change)) {
	f := follower{lasting: make(map[Key]*lasting)}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if r := report(); ctx.Err() == nil { // during a stop everything comes to an end, which is no news
				f.look(r, tell)
			}
		}
	}
}

// follower knows what was told.
type follower struct {
	lasting map[Key]*lasting
	ready   bool
}

// lasting is a cause that was seen by one of the last looks.
type lasting struct {
	cause Cause
	seen  int // looks in a row that showed it, or below 0 that did not
	told  bool
}

// look tells what has changed.
func (f *follower) look(r Report, tell func(Change)) {
	ready := r.Ready()
	shown := make(map[Key]bool)
	for _, c := range r.Causes() {
		if c.Severity == Note {
			continue
		}
		shown[c.Key] = true
		l := f.lasting[c.Key]
		if l == nil {
			l = &lasting{}
			f.lasting[c.Key] = l
		}
		if l.told && c.Severity < l.cause.Severity {
			l.told = false // it is worse than what was told
		}
		l.cause, l.seen = c, max(l.seen, 0)+1
		if !l.told && l.seen >= c.looks() {
			l.told = true
			tell(Change{Cause: c, Ready: ready})
		}
	}
	for key, l := range f.lasting {
		if shown[key] {
			continue
		}
		l.seen = min(l.seen, 0) - 1
		switch {
		case !l.told:
			delete(f.lasting, key)
		case l.seen <= -lastsFor:
			delete(f.lasting, key)
			tell(Change{Cause: l.cause, Gone: true, Ready: ready})
		}
	}
	if ready != f.ready {
		f.ready = ready
		tell(Change{Ready: ready})
	}
}

// looks returns how many looks in a row must show a cause before it is told.
func (c Cause) looks() int {
	if c.Progress {
		return lastsLonger
	}
	return lastsFor
}
