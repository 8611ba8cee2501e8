package poller

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// addListing adds a page of a worker's sessions.
func (a *assembler) addListing(l *list, rd *reading, r *reply, out *deadline.ListSessionsForWorkerOutput, of known) error {
	if out.Sessions == nil {
		return errNoList
	}
	sightings := make([]diff.Sighting, 0, len(out.Sessions))
	for i := range out.Sessions {
		sightings = append(sightings, diff.Sighting{Session: sessionOf(l.observation.Worker, &out.Sessions[i]), Exchange: r.Exchange})
	}
	never := func(*diff.Session, diff.Snapshot) bool { return false }
	if err := a.addSessions(l, rd, sightings, out.NextToken, of, never); err != nil {
		return err
	}
	if len(sightings) > 0 {
		open := slices.IndexFunc(sightings, func(s diff.Sighting) bool { return !s.Session.HasEnded() })
		rd.Sample = sightings[max(open, 0)].Session
	}
	snapshot, _ := of(l.observation.Worker)
	l.observation.Pages++
	l.observation.Add(snapshot, sightings)
	return nil
}

// addJobPage adds a page of a job's sessions. What it shows of each worker is an observation of its own.
func (a *assembler) addJobPage(l *list, rd *reading, r *reply, out *deadline.ListSessionsOutput, of known) error {
	if out.Sessions == nil {
		return errNoList
	}
	sightings := make([]diff.Sighting, 0, len(out.Sessions))
	for i := range out.Sessions {
		s := jobSessionOf(r.call.Job, &out.Sessions[i])
		if !isUnicode(s) {
			return fmt.Errorf("entry %d: %w", i, errMalformed)
		}
		sightings = append(sightings, diff.Sighting{Session: s, Exchange: r.Exchange})
	}
	isPast := func(s *diff.Session, known diff.Snapshot) bool { return isPast(s, known, r.bestDate()) }
	if err := a.addSessions(l, rd, sightings, out.NextToken, of, isPast); err != nil {
		return err
	}
	rd.observed = make(map[diff.WorkerKey]diff.Observation)
	for i := range sightings {
		s := &sightings[i].Session
		w := s.WorkerKey
		if snapshot, counts := of(w); counts && !isPast(s, snapshot) {
			o := rd.observed[w]
			o.Add(snapshot, sightings[i:i+1])
			rd.observed[w] = o
		}
	}
	return nil
}

// pastAfter is how long ago a session must have ended for its worker's snapshot to have forgotten it, less a margin.
const pastAfter = diff.ForgetAfter - time.Hour

// isPast reports whether a session that the page of a job shows is not known, and ended so long ago that it may have been known.
// What a worker's listings lack for long is forgotten, also because the worker was deleted, and its job may show it for months.
// Such a session must not start a second time.
func isPast(s *diff.Session, known diff.Snapshot, date time.Time) bool {
	ended := s.EndedAt
	if ended.IsZero() {
		ended = s.StartedAt // which is not later
	}
	return s.HasEnded() && !ended.After(date.Add(-pastAfter)) && !known.Knows(s.SessionID)
}

// addSessions adds a page of sessions to what is known of its list, and tells the answer about them. Those that are past do not
// count. If a session is not valid, or the next page was read already, nothing is added.
func (a *assembler) addSessions(
	l *list, rd *reading, sightings []diff.Sighting, next *string, of known, isPast func(*diff.Session, diff.Snapshot) bool,
) error {
	for i := range sightings {
		s := &sightings[i].Session
		err := checkSession(s)
		if a.isReserved(s.SessionID) {
			err = errReservedID
		}
		if err != nil {
			return fmt.Errorf("entry %d%s: %w", i, named(s.SessionID), err)
		}
	}
	if err := l.accept(next, &rd.Answer); err != nil {
		return err
	}
	l.order.add(sightings)
	rd.NewestFirst, rd.Unordered = l.order.isNewestFirst(), l.order.unordered
	rd.Settled = len(sightings) > 0 // an empty page says nothing of the pages after it
	for i := range sightings {
		s := &sightings[i].Session
		snapshot, counts := of(s.WorkerKey)
		settled := counts && (snapshot.HasSettled(*s) || isPast(s, snapshot)) || !counts && s.HasEnded()
		rd.Settled = rd.Settled && (settled || i < len(sightings)/2)
		if counts && !settled {
			rd.Sessions = append(rd.Sessions, *s)
		}
	}
	return nil
}

// isUnicode reports whether the texts of a session are as the service sent them. The SDK puts a replacement character for what is
// not Unicode, which would make another session or worker of it. Package paginator refuses such pages of a worker's sessions.
func isUnicode(s diff.Session) bool {
	for _, text := range [...]string{s.SessionID, s.FleetID, s.WorkerID, s.LifecycleStatus, s.TargetLifecycleStatus} {
		if strings.ContainsRune(text, utf8.RuneError) {
			return false
		}
	}
	return true
}

// observations returns what a job's page shows of these workers. Each of them has an observation, because the schedule waits
// until it is committed.
func (rd *reading) observations(workers []diff.WorkerKey) (all []diff.Observation) {
	for _, w := range workers {
		o := rd.observed[w]
		o.Worker, o.Source = w, diff.Answers
		all = append(all, o)
	}
	return all
}

// order is in which order the pages of a list have shown sessions so far, by when they started.
type order struct {
	last      time.Time // when the last session started
	any       bool      // there was a session
	differs   bool      // two sessions in a row did not start together
	unordered bool      // a session started later than one before it
}

func (o *order) add(sightings []diff.Sighting) {
	for i := range sightings {
		at := sightings[i].Session.StartedAt
		o.differs = o.differs || o.any && !at.Equal(o.last)
		o.unordered = o.unordered || o.any && at.After(o.last)
		o.last, o.any = at, true
	}
}

// isNewestFirst reports whether no session started later than one before it, and not all started together.
func (o *order) isNewestFirst() bool { return o.differs && !o.unordered }

// jobSessionOf returns a session of a job as an entry of a list shows it.
func jobSessionOf(j schedule.Job, s *types.SessionSummary) diff.Session {
	return diff.Session{
		WorkerKey: diff.WorkerKey{FarmID: j.FarmID, FleetID: aws.ToString(s.FleetId), WorkerID: aws.ToString(s.WorkerId)},
		QueueID:   j.QueueID, JobID: j.JobID, SessionID: aws.ToString(s.SessionId),
		LifecycleStatus: string(s.LifecycleStatus), TargetLifecycleStatus: string(s.TargetLifecycleStatus),
		StartedAt: utc(s.StartedAt), EndedAt: utc(s.EndedAt),
	}
}
