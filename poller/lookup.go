package poller

import (
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
)

// readLookup reads the reply to BatchGetSession or GetSession. That the session of a GetSession, or what it is in, does not
// exist is a finding, although it comes as an error.
func readLookup(r *reply, rd *reading) {
	rd.Findings = make(map[string]schedule.Finding)
	rd.sightings = make(map[string]diff.Sighting)
	switch out := r.out.(type) {
	case *deadline.BatchGetSessionOutput:
		rd.readBatch(r, out)
	case *deadline.GetSessionOutput:
		rd.readSingle(r, out)
	default:
		if s := r.call.Sessions[0]; r.call.Kind == schedule.GetSession {
			rd.note(s, notFoundKind(r.err, identifiers(s)))
		}
	}
	for _, s := range r.call.Sessions {
		if sighting, found := rd.sightings[s.SessionID]; found {
			rd.Sessions = append(rd.Sessions, sighting.Session)
		}
	}
}

// readBatch reads an answer of BatchGetSession. If it says both found and not found of a session, found counts.
func (rd *reading) readBatch(r *reply, out *deadline.BatchGetSessionOutput) {
	if out.Sessions == nil && out.Errors == nil {
		rd.err = errNoList
		return
	}
	asked := make(map[string]diff.Session, len(r.call.Sessions))
	for _, s := range r.call.Sessions {
		asked[s.SessionID] = s
	}
	for i := range out.Sessions {
		it := &out.Sessions[i]
		s, ok := asked[aws.ToString(it.SessionId)]
		if ok && aws.ToString(it.FarmId) == s.FarmID && aws.ToString(it.QueueId) == s.QueueID && aws.ToString(it.JobId) == s.JobID {
			shown := withAnswer(s, it.LifecycleStatus, it.TargetLifecycleStatus, it.StartedAt, it.EndedAt)
			rd.found(s, it.WorkerId, shown, r.Exchange)
		}
	}
	for i := range out.Errors {
		it := &out.Errors[i]
		s, ok := asked[aws.ToString(it.SessionId)]
		if !ok || it.Code != types.BatchGetSessionErrorCodeResourceNotFoundException {
			continue // throttled, an internal error, refused, or an unknown code
		}
		kind := namedKind(aws.ToString(it.Message), identifiers(s))
		if rd.note(s, kind); kind == "" && rd.Findings[s.SessionID] == 0 {
			rd.Findings[s.SessionID] = schedule.Unclear
		}
	}
}

// readSingle reads an answer of GetSession.
func (rd *reading) readSingle(r *reply, out *deadline.GetSessionOutput) {
	s := r.call.Sessions[0]
	switch aws.ToString(out.SessionId) {
	case "":
		rd.err = errMissingField
	case s.SessionID:
		shown := withAnswer(s, out.LifecycleStatus, out.TargetLifecycleStatus, out.StartedAt, out.EndedAt)
		rd.found(s, out.WorkerId, shown, r.Exchange)
	}
}

// found takes in what an answer shows of a session. An incomplete answer, one with a field that is too long, or one
// that places the session on another worker, is ignored. The fleet may be another one, if the worker was moved.
func (rd *reading) found(s diff.Session, worker *string, shown diff.Session, x diff.Exchange) {
	if checkSession(&shown) != nil || aws.ToString(worker) != s.WorkerID {
		return
	}
	rd.Findings[s.SessionID] = schedule.Found
	rd.sightings[s.SessionID] = diff.Sighting{Session: shown, Exchange: x}
}

// note takes in an answer that something of the kind does not exist.
func (rd *reading) note(s diff.Session, kind string) {
	finding := map[string]schedule.Finding{
		"session": schedule.NotFound, "job": schedule.NotFound, "queue": schedule.NoQueue, "fleet": schedule.NoFleet, "farm": schedule.NoFarm,
	}[kind]
	if finding != 0 && rd.Findings[s.SessionID] == 0 {
		rd.Findings[s.SessionID] = finding
	}
}

// answers returns the observations of a lookup, one for each worker. Confirmed are the sessions whose queue, fleet or farm
// does not exist.
func answers(r *reply, rd *reading, confirmed []string) (all []diff.Observation) {
	missing := make(map[string]bool, len(confirmed))
	for _, id := range confirmed {
		missing[id] = true
	}
	of := make(map[diff.WorkerKey]int)
	observation := func(w diff.WorkerKey) *diff.Observation {
		i, ok := of[w]
		if !ok {
			i = len(all)
			of[w], all = i, append(all, diff.Observation{Worker: w, Source: diff.Answers})
		}
		return &all[i]
	}
	for _, s := range r.call.Sessions {
		sighting, found := rd.sightings[s.SessionID]
		n := diff.NotFound{SessionID: s.SessionID, Exchange: r.Exchange}
		if missing[s.SessionID] {
			n.MissingAt = r.date.UTC()
		}
		switch {
		case found:
			o := observation(s.WorkerKey)
			o.Sightings = append(o.Sightings, sighting)
		case rd.Findings[s.SessionID] == schedule.NotFound || missing[s.SessionID]:
			o := observation(s.WorkerKey)
			o.NotFound = append(o.NotFound, n)
		}
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
func withAnswer(
	s diff.Session, status types.SessionLifecycleStatus, target types.SessionLifecycleTargetStatus, started, ended *time.Time,
) diff.Session {
	s.LifecycleStatus, s.TargetLifecycleStatus = string(status), string(target)
	s.StartedAt, s.EndedAt = utc(started), utc(ended)
	return s
}
