package farmtest

import (
	"slices"
	"time"
)

// life plays one session from its start to its end.
type life struct {
	studio  *studio
	host    *host
	batch   *batch
	session *Session
	ends    time.Time // our clock
	stopped bool      // nothing happens any more but the end
	ended   bool
}

// live lets the session run on the worker for the time that is left.
func (s *studio) live(h *host, b *batch, session *Session, left time.Duration) {
	l := &life{studio: s, host: h, batch: b, session: session, ends: s.now.Add(left)}
	h.lives = append(h.lives, l)
	b.open++
	s.open++
	s.offer(h)
	if len(h.lives) == 1 {
		s.status(h)
	}
	if s.chance(cancelled) {
		s.after(time.Duration(s.rng.Float64()*float64(left)), l.cancel)
	}
	s.after(left, func() {
		if !l.stopped {
			l.end()
		}
	})
	l.later()
}

// Shares of what becomes of sessions and updates.
const (
	cancelled = 0.12
	failed    = 0.15 // of the updates
	strange   = 0.02 // of the updates: a status that no document names
)

// later plans the next update, if the session lives so long.
func (l *life) later() {
	left := l.ends.Sub(l.studio.now)
	gap := l.studio.around(max(left, 50*time.Millisecond))
	if gap < left {
		l.studio.after(gap, l.update)
	}
}

// update begins an update; some are shorter than any poll.
func (l *life) update() {
	if l.stopped {
		return
	}
	if l.studio.chance(strange) {
		l.session.Update("MIGRATING")
	} else {
		l.session.Update("UPDATE_IN_PROGRESS")
	}
	l.studio.after(max(l.studio.between(time.Second, 2*time.Minute), 10*time.Millisecond), l.updated)
}

func (l *life) updated() {
	if l.stopped {
		return
	}
	if l.studio.chance(failed) {
		l.session.Update("UPDATE_FAILED")
	} else {
		l.session.Update("UPDATE_SUCCEEDED")
	}
	l.later()
}

// cancel sets the target; the session ends a little later.
func (l *life) cancel() {
	if l.stopped {
		return
	}
	l.stopped = true
	l.session.SetTarget()
	l.studio.after(max(l.studio.between(500*time.Millisecond, 40*time.Second), 10*time.Millisecond), l.end)
}

func (l *life) end() {
	if !l.ended {
		l.session.End()
		l.over()
	}
}

// over clears away what an ended session held.
func (l *life) over() {
	if l.ended {
		return
	}
	s, h, b := l.studio, l.host, l.batch
	l.ended, l.stopped = true, true
	s.open--
	b.open--
	h.lives = slices.DeleteFunc(slices.Clone(h.lives), func(other *life) bool { return other == l })
	s.offer(h)
	if len(h.lives) == 0 {
		s.status(h)
	}
	if s.cfg.Retention > 0 {
		s.after(s.cfg.Retention, l.session.Forget)
	}
	if s.cfg.Forget > 0 && b.open == 0 && b.left == 0 && s.chance(0.05) {
		s.after(s.cfg.Forget, b.job.Delete)
	}
	s.dispatch()
}
