package simulation

import (
	"strconv"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

const (
	pageSize = 100
	// olderSessions are missing on the last page of a listing, so that the open ones do not need another page.
	olderSessions = 10
)

// answer returns what the service says at that time, and the sessions that the answer shows.
func (w *world) answer(c schedule.Call, at time.Duration) (schedule.Answer, []diff.Session) {
	w.makeUntil(at)
	switch c.Kind {
	case schedule.ListFarms:
		return schedule.Answer{Farms: w.farms}, nil
	case schedule.ListFleets:
		return w.listFleets(c.Farm), nil
	case schedule.ListWorkers:
		return w.listWorkers(c, at), nil
	case schedule.ListSessions:
		return w.listSessions(c, at)
	default:
		return w.lookUp(c, at)
	}
}

func (w *world) listFleets(farm string) schedule.Answer {
	var a schedule.Answer
	for _, f := range w.fleets {
		if f.farm == farm {
			a.Fleets = append(a.Fleets, f.id)
		}
	}
	return a
}

// listWorkers pages through the workers that exist, by when they were added. The token is the number of the last one, so that
// no deletion moves the others to another page.
func (w *world) listWorkers(c schedule.Call, at time.Duration) schedule.Answer {
	var a schedule.Answer
	from, _ := strconv.Atoi(c.Token)
	for _, f := range w.fleets {
		if f.farm != c.Farm || f.id != c.Fleet {
			continue
		}
		for i := from; i < len(f.workers); i++ {
			k := f.workers[i]
			if !k.existed(at) {
				continue
			}
			if len(a.Workers) == pageSize {
				a.Next = strconv.Itoa(i)
				return a
			}
			a.Workers = append(a.Workers, schedule.Worker{ID: k.key.WorkerID, Status: diff.WorkerStatus{Status: k.status(at)}})
		}
		return a
	}
	return schedule.Answer{Reason: schedule.ResourceNotFound, NotFound: "fleet"}
}

// listSessions returns a page of a worker's listing. Sessions that ended before the start of the simulation and were never
// added are on it too, but the answer does not name them.
func (w *world) listSessions(c schedule.Call, at time.Duration) (schedule.Answer, []diff.Session) {
	k := w.workers[c.Worker]
	if k == nil || !k.existed(at) {
		return schedule.Answer{Reason: schedule.ResourceNotFound, NotFound: "worker"}, nil
	}
	started, open := k.startedAt(at)
	total := k.pages*pageSize - olderSessions + open
	if !k.hasHistory {
		total = min(total, started)
	}
	var a schedule.Answer
	var shown []diff.Session
	first := (c.Page - 1) * pageSize
	for place := first; place < min(total, first+pageSize); place++ {
		i := started - 1 - place
		if w.config.OldestFirst {
			i = started - total + place
		}
		if i >= 0 {
			shown = append(shown, k.sessions[i].shown(at))
		}
	}
	if first+pageSize < total {
		a.Next = strconv.Itoa(c.Page + 1)
	}
	for _, s := range shown {
		if a.Sample.SessionID == "" || !s.HasEnded() {
			a.Sample = s
		}
	}
	return a, shown
}

// startedAt returns how many of the worker's sessions had started at that time, and how many of these were open.
func (k *worker) startedAt(at time.Duration) (started, open int) {
	started = len(k.sessions)
	for started > 0 && k.sessions[started-1].start > at {
		started--
	}
	for i := started - 1; i >= 0 && k.sessions[i].start+k.longest > at; i-- {
		if k.sessions[i].end > at {
			open++
		}
	}
	return started, open
}

// lookUp answers BatchGetSession and GetSession.
func (w *world) lookUp(c schedule.Call, at time.Duration) (schedule.Answer, []diff.Session) {
	a := schedule.Answer{Findings: make(map[string]schedule.Finding, len(c.Sessions))}
	var shown []diff.Session
	for _, asked := range c.Sessions {
		s := w.session(asked.SessionID)
		if s == nil || s.start > at {
			a.Findings[asked.SessionID] = schedule.NotFound
			continue
		}
		a.Findings[asked.SessionID] = schedule.Found
		shown = append(shown, s.shown(at))
	}
	return a, shown
}

// session returns the session with an id, or nil.
func (w *world) session(id string) *session {
	const prefix = len("session-")
	n, err := strconv.ParseUint(id[min(prefix, len(id)):], 16, 31)
	if err != nil || n >= uint64(len(w.sessions)) {
		return nil
	}
	return w.sessions[n]
}
