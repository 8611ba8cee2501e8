package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"farmwire/diff"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

const (
	batchSize        = 100 // the most sessions that BatchGetSession takes
	maxSingleLookups = 10  // the most sessions that one call looks up by GetSession
)

// The values of the answer label of farmwire_lookups_total: what was learned of one session.
const (
	lookupFound    = "found"
	lookupNotFound = "not_found"
	lookupMissing  = "missing" // its queue, fleet or farm was not found
	lookupUnsure   = "unsure"  // nothing; the session is looked up again
)

// lookup collects what the answers to one lookup say of its sessions.
type lookup struct {
	requester *requester
	sessions  map[string]diff.Session // those to look up, by session id
	answered  map[string]bool         // those of which something was learned, by session id
	workers   map[diff.WorkerKey]*diff.Observation
	missed    []missingAnswer // they count only if discovery confirms them
}

func newLookup(r *requester, sessions []diff.Session) *lookup {
	l := &lookup{requester: r, sessions: make(map[string]diff.Session, len(sessions)), answered: make(map[string]bool), workers: make(map[diff.WorkerKey]*diff.Observation)}
	for _, s := range sessions {
		l.sessions[s.SessionID] = s
	}
	return l
}

// batch looks up at most batchSize sessions of one farm by BatchGetSession. The answer may say that something
// was not found and not what. Such sessions are looked up by GetSession, which says it.
func (l *lookup) batch(ctx context.Context, sessions []diff.Session) error {
	in := &deadline.BatchGetSessionInput{}
	for _, s := range sessions {
		in.Identifiers = append(in.Identifiers, types.BatchGetSessionIdentifier{FarmId: &s.FarmID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID})
	}
	out, err := l.requester.BatchGetSession(ctx, in)
	if err != nil {
		return err
	}
	x := l.requester.last.Exchange
	for i := range out.Sessions {
		l.addItem(&out.Sessions[i], x)
	}
	var unclear []diff.Session
	for i := range out.Errors {
		if s, ok := l.addItemError(&out.Errors[i], x); !ok {
			unclear = append(unclear, s)
		}
	}
	// If there are too many, a random choice gives each of them a chance. The error is ignored, because
	// sessions of which nothing was learned are looked up again.
	rand.Shuffle(len(unclear), func(i, j int) { unclear[i], unclear[j] = unclear[j], unclear[i] })
	_ = l.each(ctx, unclear[:min(len(unclear), maxSingleLookups)])
	l.countUnsure(len(sessions))
	return nil
}

// addItem takes in a session of the answer, if it is one of those to look up.
func (l *lookup) addItem(it *types.BatchGetSessionItem, x diff.Exchange) {
	s, ok := l.sessions[aws.ToString(it.SessionId)]
	if !ok || aws.ToString(it.FarmId) != s.FarmID || aws.ToString(it.QueueId) != s.QueueID || aws.ToString(it.JobId) != s.JobID {
		return
	}
	l.found(s, it.WorkerId, withAnswer(s, it.LifecycleStatus, it.TargetLifecycleStatus, it.StartedAt, it.EndedAt), x)
}

// addItemError takes in the error of one session. It reports false if the error says that something was not
// found and not what.
func (l *lookup) addItemError(it *types.BatchGetSessionError, x diff.Exchange) (diff.Session, bool) {
	s, ok := l.sessions[aws.ToString(it.SessionId)]
	if !ok || it.Code != types.BatchGetSessionErrorCodeResourceNotFoundException {
		return s, true // throttled, an internal error, refused, or an unknown code: it is looked up again
	}
	switch kind := namedKind(aws.ToString(it.Message), identifiers(s)); kind {
	case "session", "job":
		l.notFound(s, x)
		return s, true
	case "queue", "fleet", "farm":
		l.missing(s, kind)
	case "":
		return s, false
	}
	return s, true
}

// single looks up one session by GetSession.
func (l *lookup) single(ctx context.Context, s diff.Session) error {
	out, err := l.requester.GetSession(ctx, &deadline.GetSessionInput{FarmId: &s.FarmID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID})
	x := l.requester.last.Exchange
	if err != nil {
		switch kind := notFoundKind(err, identifiers(s)); kind {
		case "session", "job":
			l.notFound(s, x)
			return nil
		case "queue", "fleet", "farm":
			l.missing(s, kind)
			return nil
		}
		return err
	}
	if aws.ToString(out.SessionId) != s.SessionID {
		return nil
	}
	l.found(s, out.WorkerId, withAnswer(s, out.LifecycleStatus, out.TargetLifecycleStatus, out.StartedAt, out.EndedAt), x)
	return nil
}

// singly looks up sessions by GetSession. It returns the first error if nothing was learned, or if the call
// was cancelled.
func (l *lookup) singly(ctx context.Context, sessions []diff.Session) error {
	first := l.each(ctx, sessions)
	l.countUnsure(len(sessions))
	if len(l.answered) > 0 && !errors.Is(first, context.Canceled) {
		return nil
	}
	return first
}

// each looks up sessions by GetSession, one after the other. It stops at an error with which the next request
// would probably fail, too. It returns the first error.
func (l *lookup) each(ctx context.Context, sessions []diff.Session) error {
	var first error
	transient := 0 // sessions of which all attempts failed with transient errors
	for _, s := range sessions {
		err := l.single(ctx, s)
		if err == nil {
			continue
		}
		if first == nil {
			first = err
		}
		reason := reasonOf(err)
		if isTransient(reason) {
			transient++
		}
		if !isOfOneSession(reason) || transient == 2 { // two in one lookup are hardly the fault of the sessions
			break
		}
	}
	return first
}

// found takes in what an answer shows of a session. An incomplete answer, one with a field that is too long, or one
// that places the session on another worker, is ignored. The fleet may be another one, if the worker was moved.
func (l *lookup) found(s diff.Session, worker *string, shown diff.Session, x diff.Exchange) {
	if checkSession(shown) != nil || aws.ToString(worker) != s.WorkerID {
		return
	}
	o := l.observation(s)
	o.Sightings = append(o.Sightings, diff.Sighting{Session: shown, Exchange: x})
	l.countAnswer(s, lookupFound)
}

// notFound takes in an answer that the session does not exist.
func (l *lookup) notFound(s diff.Session, x diff.Exchange) {
	if l.answered[s.SessionID] {
		return // if the answer says both found and not found, found counts
	}
	o := l.observation(s)
	o.NotFound = append(o.NotFound, diff.NotFound{SessionID: s.SessionID, Exchange: x})
	l.countAnswer(s, lookupNotFound)
}

func (l *lookup) countAnswer(s diff.Session, answer string) {
	l.answered[s.SessionID] = true
	l.requester.metrics.lookups.WithLabelValues(answer).Inc()
}

// countUnsure counts the sessions of which nothing was learned.
func (l *lookup) countUnsure(sessions int) {
	l.requester.metrics.lookups.WithLabelValues(lookupUnsure).Add(float64(sessions - len(l.answered)))
}

// observation returns the observation of the session's worker, which it adds if there is none.
func (l *lookup) observation(s diff.Session) *diff.Observation {
	o, ok := l.workers[s.WorkerKey]
	if !ok {
		o = &diff.Observation{Worker: s.WorkerKey, Source: diff.Answers}
		l.workers[s.WorkerKey] = o
	}
	return o
}

// observations returns what was learned, one observation for each worker.
func (l *lookup) observations() []diff.Observation {
	var all []diff.Observation
	for _, o := range l.workers {
		all = append(all, *o)
	}
	return all
}

// identifiers returns the identifiers that an error about a session may name, with their kinds.
func identifiers(s diff.Session) map[string]string {
	return map[string]string{
		s.FarmID: "farm", s.FleetID: "fleet", s.QueueID: "queue", s.JobID: "job", s.SessionID: "session", s.WorkerID: "worker",
	}
}

// withAnswer returns the session with the status and the times of an answer.
func withAnswer(s diff.Session, status types.SessionLifecycleStatus, target types.SessionLifecycleTargetStatus, started, ended *time.Time) diff.Session {
	s.LifecycleStatus, s.TargetLifecycleStatus = string(status), string(target)
	s.StartedAt, s.EndedAt = utc(started), utc(ended)
	return s
}
