package poller

import (
	"slices"
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
	due    [callKinds]time.Time
}

// take takes a session of a complete listing as the sample.
func (t *trial) take(o diff.Observation) {
	open := slices.IndexFunc(o.Sightings, func(s diff.Sighting) bool { return !s.Session.HasEnded() })
	switch {
	case open >= 0:
		t.sample = o.Sightings[open].Session
	case t.sample.SessionID == "" && len(o.Sightings) > 0:
		t.sample = o.Sightings[0].Session
	}
}

// nextTrial returns the trial to make now. If its kind is noCall, nextTrial returns when to ask again; zero means later.
func (l *loop) nextTrial(now time.Time, earliest *startTimes) (call, time.Time) {
	if l.trial.sample.SessionID == "" {
		return call{}, time.Time{}
	}
	kind := lookUpBatch
	if l.schedule.batches[l.trial.sample.FarmID].off.After(now) {
		kind = lookUpSingle
	}
	switch due := &l.trial.due[kind]; {
	case due.After(now):
		return call{}, time.Time{}
	case earliest[kind].After(now):
		return call{}, earliest[kind]
	default:
		*due = now.Add(trialInterval)
		return call{kind: kind, sessions: []diff.Session{l.trial.sample}, trial: true}, now
	}
}

// finishTrial takes in how a trial ended. What it says of the session is ignored, because only its listing or a lookup for the
// schedule can be compared with what is committed.
func (l *loop) finishTrial(r result, now time.Time) {
	if r.err != nil && isTransient(reasonOf(r.err)) {
		l.trial.due[r.call.kind] = now.Add(trialPause)
	}
	if r.call.kind == lookUpBatch && !isCancelled(r.err) {
		l.schedule.judgeBatch(r.call.sessions[0].FarmID, r.err, now)
	}
}
