package poller

import (
	"maps"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"
)

// Watcher is told of every request and of what came of it, so that its owner can say what was looked at and when. Its methods
// are called by the goroutine of Run, in the order in which things happen, and must not block. They must not change what they
// are given.
//
// Before an observation is put into the channel of Own, the Watcher is told of it in Answer.Observed. The only ones of which
// it is not told are those of a shard that was disowned meanwhile, if they are what a listing has shown that waited for its
// next request, or if the shard is owned anew. Whoever listens on behalf of one ownership of a shard must leave out the answers
// to requests that were sent before it.
type Watcher interface {
	// Sent is called before a request is sent.
	Sent(Request)
	// Answered is called once for each Request that Sent was called with, whatever became of it. Requests that are in
	// flight when Run ends count as cancelled.
	Answered(Answer)
}

// Request is a request that is sent.
type Request struct {
	Number      uint64 // counts the requests from 1
	List        uint64 // of a list: the Number of the first request for it; the requests for its other pages have the same
	Operation   string // the API's name
	Farm, Fleet string // of ListFleets and ListWorkers; of ListSessions only Farm
	// Workers are those that it asks about: of ListSessionsForWorker, of BatchGetWorker and, each once, of the sessions of
	// BatchGetSession and GetSession.
	Workers  []diff.WorkerKey
	Sessions []diff.Session // of BatchGetSession and GetSession: those that it asks about
	// At is when it was sent, by the service's clock. What Sent is told may be wrong by a second and the time that an answer
	// takes. What Answered is told is what diff.Exchange.At of the observations is.
	At time.Time
}

// Answer is what came of a Request.
type Answer struct {
	Request
	// Reason is why there is no usable answer, one of the values of schedule.Reason. It is empty if there is one. That the
	// worker, the session or the job does not exist that was asked about is a usable answer, if the service says that it is this
	// which does not exist. A page is not usable if its list is discarded for what it shows.
	Reason   string
	UnderWay bool // of a list: another request for it follows, for the next page or for the same one again
	Complete bool // of a list: with this answer all its pages are read

	Farms, Fleets []string         // of ListFarms and ListFleets: those on the page that are to be polled
	Shown         []diff.WorkerKey // of ListWorkers and BatchGetWorker: the workers whose status it shows, of ListWorkers also those of others' shards
	// Awaiting are those of Shown whose status is not dealt with: it or an older one has asked for a listing that is not
	// committed yet, or will ask for one when the worker's shard is owned.
	Awaiting []diff.WorkerKey
	Found    []string         // of BatchGetSession and GetSession: the sessions that it shows
	Observed []diff.WorkerKey // those of which an observation is put into the channel of Own because of this answer, in that order
}

// requestOf returns what a Watcher is told of a call that is sent now.
func (l *loop) requestOf(c schedule.Call, now time.Time) Request {
	r := Request{
		Number: c.Number, Operation: c.Kind.Operation(), Farm: c.Farm, Fleet: c.Fleet, Sessions: c.Sessions,
		At: l.service.skew.serviceTime(now),
	}
	if c.Page > 0 {
		r.List = c.List
	}
	switch c.Kind {
	case schedule.ListSessions:
		r.Farm = c.Job.FarmID
	case schedule.BatchGetWorker:
		r.Workers = c.Workers
	case schedule.ListSessionsForWorker, schedule.BatchGetSession, schedule.GetSession:
		r.Workers = workers(c)
	}
	return r
}

// tellSent tells the Watcher of a call that is about to be sent.
func (l *loop) tellSent(f *flight) {
	if w := l.poller.config.Watcher; w != nil {
		f.request = l.requestOf(f.Call, time.Now())
		w.Sent(f.request)
	}
}

// tellAnswered tells the Watcher what came of a call, before the observations are delivered.
func (l *loop) tellAnswered(f *flight, r *reply, rd *reading, o schedule.Outcome, observations []diff.Observation) {
	watcher := l.poller.config.Watcher
	if watcher == nil {
		return
	}
	a := Answer{Request: f.request, Reason: usableReason(f.Call, rd, o)}
	if !r.At.IsZero() {
		a.At = r.At
	}
	if a.List != 0 {
		a.UnderWay = o.Stage == schedule.UnderWay
		a.Complete = o.Stage == schedule.Complete && !o.Ignored && !o.NoSuchWorker
	}
	if a.Reason == "" && (!o.Ignored || !f.Kind.IsDiscovery()) {
		l.addShown(&a, f, rd, o)
	}
	for i := range observations {
		w := observations[i].Worker
		if s := l.receiver(f, w, o.Ignored); s != nil && (!s.disowned || l.shards[s.number] == nil) {
			a.Observed = append(a.Observed, w)
		}
	}
	watcher.Answered(a)
}

// usableReason returns why an answer is not usable. It is empty if the answer is usable.
func usableReason(c schedule.Call, rd *reading, o schedule.Outcome) string {
	isAboutItself := c.Kind == schedule.ListSessionsForWorker && rd.NotFound == "worker" || c.Kind == schedule.ListSessions && rd.NotFound == "job"
	switch {
	case isAboutItself:
		return ""
	case o.Stage == schedule.Complete || o.Stage == schedule.Stopped:
		return "" // also if the service names what does not exist
	case o.Reason != "":
		return string(o.Reason) // of a list also why it is discarded
	}
	return string(rd.Reason)
}

// addShown adds what a usable answer shows. Of a list of discovery the schedule must have taken it in.
func (l *loop) addShown(a *Answer, f *flight, rd *reading, o schedule.Outcome) {
	a.Farms, a.Fleets = rd.Farms, rd.Fleets
	a.Awaiting = o.Awaiting
	switch f.Kind {
	case schedule.ListWorkers:
		for _, w := range rd.Workers {
			k := diff.WorkerKey{FarmID: f.Farm, FleetID: f.Fleet, WorkerID: w.ID}
			a.Shown = append(a.Shown, k)
			if l.shards[l.poller.config.Shard(w.ID)] == nil {
				a.Awaiting = append(a.Awaiting, k) // the schedule will ask for its first listing
			}
		}
	case schedule.BatchGetWorker:
		for _, w := range f.Workers {
			_, shown := rd.Statuses[w]
			s := l.shards[l.poller.config.Shard(w.WorkerID)]
			if shown && s != nil && f.Number > s.since { // else the schedule has not taken it in
				a.Shown = append(a.Shown, w)
			}
		}
	case schedule.BatchGetSession, schedule.GetSession:
		for _, s := range f.Sessions {
			if _, found := rd.sightings[s.SessionID]; found {
				a.Found = append(a.Found, s.SessionID)
			}
		}
	}
}

// tellUnanswered tells the Watcher that the calls which are in flight when Run ends are given up.
func (l *loop) tellUnanswered() {
	watcher := l.poller.config.Watcher
	if watcher == nil {
		return
	}
	for _, number := range slices.Sorted(maps.Keys(l.flights)) {
		watcher.Answered(Answer{Request: l.flights[number].request, Reason: string(schedule.Cancelled)})
	}
}
