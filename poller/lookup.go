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
	batchSize = 100 // the most that BatchGetSession takes
	singly    = 10  // sessions that one call asks for by GetSession, at most
)

// What a lookup learned of one session, as the metric names it.
const (
	lookupFound    = "found"
	lookupNotFound = "not_found"
	lookupUnsure   = "unsure" // to be asked for again
)

// lookup gathers what the service says of single sessions.
type lookup struct {
	ask      *asker
	asked    map[string]diff.Session // by session id
	answered map[string]bool
	workers  map[diff.WorkerKey]*diff.Observation
}

func newLookup(a *asker, sessions []diff.Session) *lookup {
	l := &lookup{ask: a, asked: make(map[string]diff.Session, len(sessions)), answered: make(map[string]bool), workers: make(map[diff.WorkerKey]*diff.Observation)}
	for _, s := range sessions {
		l.asked[s.SessionID] = s
	}
	return l
}

// batch asks for up to a hundred sessions of one farm by BatchGetSession. Where an answer
// leaves open what it is that was not found, GetSession is asked, which says it.
func (l *lookup) batch(ctx context.Context, sessions []diff.Session) error {
	in := &deadline.BatchGetSessionInput{}
	for _, s := range sessions {
		in.Identifiers = append(in.Identifiers, types.BatchGetSessionIdentifier{FarmId: &s.FarmID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID})
	}
	out, err := l.ask.BatchGetSession(ctx, in)
	if err != nil {
		return err
	}
	e := l.ask.last.Exchange
	for i := range out.Sessions {
		l.item(&out.Sessions[i], e)
	}
	var unclear []diff.Session
	for i := range out.Errors {
		if s, ok := l.itemError(&out.Errors[i], e); !ok {
			unclear = append(unclear, s)
		}
	}
	// Not always the same ones. What is learned of them counts; the rest is asked for again.
	rand.Shuffle(len(unclear), func(i, j int) { unclear[i], unclear[j] = unclear[j], unclear[i] })
	_ = l.each(ctx, unclear[:min(len(unclear), singly)])
	l.count(len(sessions))
	return nil
}

// item takes in a session that was found. It has to be the one that was asked for.
func (l *lookup) item(it *types.BatchGetSessionItem, e diff.Exchange) {
	s, ok := l.asked[aws.ToString(it.SessionId)]
	if !ok || aws.ToString(it.FarmId) != s.FarmID || aws.ToString(it.QueueId) != s.QueueID || aws.ToString(it.JobId) != s.JobID {
		return
	}
	l.found(s, it.FleetId, it.WorkerId, as(s, it.LifecycleStatus, it.TargetLifecycleStatus, it.StartedAt, it.EndedAt), e)
}

// itemError takes in the error of one session. It is false if the error says that something
// was not found and not what.
func (l *lookup) itemError(it *types.BatchGetSessionError, e diff.Exchange) (diff.Session, bool) {
	s, ok := l.asked[aws.ToString(it.SessionId)]
	if !ok || it.Code != types.BatchGetSessionErrorCodeResourceNotFoundException {
		return s, true // throttled, failed inside, refused, or a code of tomorrow: asked for again
	}
	switch namedKind(aws.ToString(it.Message), identifiers(s)) {
	case "session", "job":
		l.notFound(s, e)
		return s, true
	case "":
		return s, false
	}
	return s, true
}

// single asks for one session by GetSession.
func (l *lookup) single(ctx context.Context, s diff.Session) error {
	out, err := l.ask.GetSession(ctx, &deadline.GetSessionInput{FarmId: &s.FarmID, QueueId: &s.QueueID, JobId: &s.JobID, SessionId: &s.SessionID})
	e := l.ask.last.Exchange
	if err != nil {
		switch notFoundKind(err, identifiers(s)) {
		case "session", "job":
			l.notFound(s, e)
			return nil
		}
		return err
	}
	if aws.ToString(out.SessionId) != s.SessionID {
		return nil
	}
	l.found(s, out.FleetId, out.WorkerId, as(s, out.LifecycleStatus, out.TargetLifecycleStatus, out.StartedAt, out.EndedAt), e)
	return nil
}

// singly asks for sessions by GetSession. The error is the first, if nothing was learned.
func (l *lookup) singly(ctx context.Context, sessions []diff.Session) error {
	first := l.each(ctx, sessions)
	l.count(len(sessions))
	if len(l.workers) > 0 && !errors.Is(first, context.Canceled) {
		return nil
	}
	return first
}

// each asks for sessions by GetSession, one after the other, and gives up at an error that
// the next one would meet too. The error is the first.
func (l *lookup) each(ctx context.Context, sessions []diff.Session) error {
	var first error
	passing := 0 // errors that were retried in vain
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
			passing++
		}
		if !isOfOneSession(reason) || passing == 2 { // two: it is hardly the sessions
			break
		}
	}
	return first
}

func (l *lookup) found(s diff.Session, fleet, worker *string, shown diff.Session, e diff.Exchange) {
	if !hasRequired(shown) || aws.ToString(worker) != s.WorkerID || aws.ToString(fleet) != s.FleetID {
		return
	}
	o := l.of(s)
	o.Sightings = append(o.Sightings, diff.Sighting{Session: shown, Exchange: e})
	l.answer(s, lookupFound)
}

func (l *lookup) notFound(s diff.Session, e diff.Exchange) {
	if l.answered[s.SessionID] {
		return // found and not found in one answer: found
	}
	o := l.of(s)
	o.NotFound = append(o.NotFound, diff.NotFound{SessionID: s.SessionID, Exchange: e})
	l.answer(s, lookupNotFound)
}

func (l *lookup) answer(s diff.Session, answer string) {
	l.answered[s.SessionID] = true
	l.ask.metrics.lookups.WithLabelValues(answer).Inc()
}

// count counts the sessions of which nothing was learned.
func (l *lookup) count(asked int) {
	l.ask.metrics.lookups.WithLabelValues(lookupUnsure).Add(float64(asked - len(l.answered)))
}

// of is the observation of the session's worker.
func (l *lookup) of(s diff.Session) *diff.Observation {
	o, ok := l.workers[s.WorkerKey]
	if !ok {
		o = &diff.Observation{Worker: s.WorkerKey, Source: diff.Lookups}
		l.workers[s.WorkerKey] = o
	}
	return o
}

// observations are what was learned, by worker.
func (l *lookup) observations() []diff.Observation {
	var all []diff.Observation
	for _, o := range l.workers {
		all = append(all, *o)
	}
	return all
}

// identifiers are those that an error about a session may name.
func identifiers(s diff.Session) map[string]string {
	return map[string]string{
		s.FarmID: "farm", s.FleetID: "fleet", s.QueueID: "queue", s.JobID: "job", s.SessionID: "session", s.WorkerID: "worker",
	}
}

// as is the session as an answer shows it.
func as(s diff.Session, status types.SessionLifecycleStatus, target types.SessionLifecycleTargetStatus, started, ended *time.Time) diff.Session {
	s.LifecycleStatus, s.TargetLifecycleStatus = string(status), string(target)
	s.StartedAt, s.EndedAt = utc(started), utc(ended)
	return s
}
