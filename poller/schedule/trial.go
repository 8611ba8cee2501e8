package schedule

import (
	"time"

	"farmwire/diff"
)

const (
	trialInterval = time.Hour   // between two trials of an operation
	trialPause    = time.Minute // after a trial that told nothing, because it failed for a reason that may pass
)

// trial decides when BatchGetSession is tried. Normally it is only called for a session that a listing does not show any
// more. A missing permission would be noticed weeks after the start, and the end of a session could not be published until
// then. So it is tried soon after the start and once an hour, with a session that a listing has shown. GetSession is tried
// as long as BatchGetSession is not used.
type trial struct {
	sample diff.Session // an open session, or one that has ended as long as no open one was seen; without an id: none was seen
	due    [kinds]time.Time
}

// takeSample takes a session that a listing has shown.
func (s *Schedule) takeSample(shown diff.Session) {
	if shown.SessionID != "" && (s.trial.sample.SessionID == "" || !shown.HasEnded()) {
		s.trial.sample = shown
	}
	if f := s.farms[shown.FarmID]; f != nil && shown.SessionID != "" && (f.sample.SessionID == "" || !shown.HasEnded()) {
		f.sample = shown
	}
}

// nextTrial returns the trial to make now.
func (c *choice) nextTrial() *task {
	t := &c.s.trial
	if t.sample.SessionID == "" {
		return nil
	}
	kind := BatchGetSession
	if f := c.s.farms[t.sample.FarmID]; f != nil && f.off[BatchGetSession].After(c.now) {
		kind = GetSession
	}
	if t.due[kind].After(c.now) || !c.can(kind) {
		return nil
	}
	t.due[kind] = c.now.Add(trialInterval)
	return &task{kind: kind, sessions: []diff.Session{t.sample}, trial: true}
}

// resumption returns a trial of BatchGetSession in a farm in which it was not used for some time. Without it the open sessions of
// the farm would not be swept until one of them has to be looked up, or the hourly trial happens to be in that farm.
func (c *choice) resumption() *task {
	for _, f := range c.s.farmOrder {
		isTried := f.off[BatchGetSession].After(c.now) || f.resumedAt.Add(trialPause).After(c.now)
		if f.isSwept || isTried || f.sample.SessionID == "" || !c.can(BatchGetSession) {
			continue
		}
		f.resumedAt = c.now
		return &task{kind: BatchGetSession, sessions: []diff.Session{f.sample}, trial: true}
	}
	return nil
}

// trialDone takes in how a trial ended. What it says of the session is ignored, because only its listing or a lookup of its
// worker can be compared with what is committed.
func (s *Schedule) trialDone(t *task, a Answer, now time.Time, o *Outcome) {
	o.Ignored = true
	if a.Reason.isTransient() {
		s.trial.due[t.kind] = now.Add(trialPause)
	}
	if t.kind == BatchGetSession && a.Reason != Cancelled {
		s.judgeBatch(BatchGetSession, t.sessions[0].FarmID, a.Reason, now, o)
	}
}
