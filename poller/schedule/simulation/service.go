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
	// beforeAll is later than the starts of the sessions that were never added, and earlier than all others.
	beforeAll = -6 * mostTime
)

// page is what an answer shows of sessions.
type page struct {
	sessions []*session
	shown    []diff.Session  // the same sessions as they were when the service answered
	starts   []time.Duration // of a list: the starts of all sessions on the page in its order, also of those that the answer does not name
}

// newPage returns an empty page that has room for so many sessions.
func newPage(room int) page {
	return page{sessions: make([]*session, 0, room), shown: make([]diff.Session, 0, room)}
}

func (p *page) add(s *session, at time.Duration) {
	p.sessions, p.shown = append(p.sessions, s), append(p.shown, s.shown(at))
}

// answer returns what the service says at that time, and the sessions that the answer shows. What depends on what is known
// is not in the answer yet, see Simulation.judge.
func (w *world) answer(c schedule.Call, at time.Duration) (schedule.Answer, page) {
	w.makeUntil(at)
	switch c.Kind {
	case schedule.ListFarms:
		return schedule.Answer{Farms: w.farms}, page{}
	case schedule.ListFleets:
		return w.listFleets(c.Farm), page{}
	case schedule.ListWorkers:
		return w.listWorkers(c, at), page{}
	case schedule.BatchGetWorker:
		return w.getWorkers(c, at), page{}
	case schedule.ListSessionsForWorker:
		return w.listSessions(c, at)
	case schedule.ListSessions:
		return w.listJob(c, at)
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

// getWorkers answers BatchGetWorker.
func (w *world) getWorkers(c schedule.Call, at time.Duration) schedule.Answer {
	a := schedule.Answer{Statuses: make(map[diff.WorkerKey]diff.WorkerStatus, len(c.Workers))}
	for _, key := range c.Workers {
		if k := w.workers[key]; k != nil && k.existed(at) {
			a.Statuses[key] = diff.WorkerStatus{Status: k.status(at)}
		} else {
			a.Gone = append(a.Gone, key)
		}
	}
	return a
}

// listSessions returns a page of a worker's listing. Sessions that ended before the start of the simulation and were never
// added are on it too, as the oldest, but the answer does not name them.
func (w *world) listSessions(c schedule.Call, at time.Duration) (schedule.Answer, page) {
	k := w.workers[c.Worker]
	if k == nil || !k.existed(at) {
		return schedule.Answer{Reason: schedule.ResourceNotFound, NotFound: "worker"}, page{}
	}
	started, open := k.startedAt(at)
	total := k.pages*pageSize - olderSessions + open
	if !k.hasHistory {
		total = min(total, started)
	}
	var a schedule.Answer
	first := (c.Page - 1) * pageSize
	p := page{starts: make([]time.Duration, 0, pageSize)}
	for place := first; place < min(total, first+pageSize); place++ {
		i := started - 1 - place
		if w.config.OldestFirst {
			i = started - total + place
		}
		if i < 0 {
			p.starts = append(p.starts, beforeAll+time.Duration(i)*time.Second)
			continue
		}
		p.starts = append(p.starts, k.sessions[i].start)
		p.add(k.sessions[i], at)
	}
	if first+pageSize < total {
		a.Next = strconv.Itoa(c.Page + 1)
	}
	for _, s := range p.shown {
		if a.Sample.SessionID == "" || !s.HasEnded() {
			a.Sample = s
		}
	}
	return a, p
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
func (w *world) lookUp(c schedule.Call, at time.Duration) (schedule.Answer, page) {
	a := schedule.Answer{Findings: make(map[string]schedule.Finding, len(c.Sessions))}
	p := newPage(len(c.Sessions))
	for _, asked := range c.Sessions {
		s := w.session(asked.SessionID)
		if s == nil || s.start > at {
			a.Findings[asked.SessionID] = schedule.NotFound
			continue
		}
		a.Findings[asked.SessionID] = schedule.Found
		p.add(s, at)
	}
	a.Sessions = p.shown
	return a, p
}

// workerOf returns the worker of a session that was asked for, or nil.
func (w *world) workerOf(asked *diff.Session) *worker {
	if s := w.session(asked.SessionID); s != nil && s.worker.key == asked.WorkerKey {
		return s.worker // so that the keys need not be hashed
	}
	return w.workers[asked.WorkerKey]
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
