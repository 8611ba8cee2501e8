package poller

import (
	"fmt"
	"slices"
	"time"

	"farmwire/diff"
	"farmwire/poller/paginator"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// assembler turns the replies to calls into what they mean: for the schedule, and once a list or a lookup has come to its
// end, for diff and for Found. It does no I/O and has no clock.
//
// It keeps the pages of each list that is under way, except those of a job, each of which is an observation at once. The
// schedule decides what becomes of a list. One that is complete, stopped or discarded is dropped by end. The schedule may also
// give up a list between two calls, and tells nobody. Such lists are dropped by stop when a shard is disowned, by replace when
// the same is listed anew, by keep when it is not listed any more, and by forgetJobs some time later.
type assembler struct {
	isReserved func(sessionID string) bool
	isSelected func(farmID, fleetID string) bool // whether the workers of a fleet are to be polled
	lists      map[uint64]*list                  // those of which there is a page, by schedule.Call.List
}

// list is a list under way, of which at least one page has arrived.
type list struct {
	schedule.Call // that of the last page
	tokens        paginator.TokenSet
	date          time.Time         // of the first page, or the best guess
	arrived       time.Time         // when the last page arrived
	order         order             // of sessions
	observation   *diff.Observation // of a worker's listing
	farms         []string
	fleets        []listedFleet   // those to poll
	unselected    map[string]bool // the ids of the others
}

// listedFleet is a fleet as ListFleets showed it.
type listedFleet struct {
	id        string
	createdAt time.Time
	date      time.Time // of the answer, or the best guess
}

// reading is what a reply says.
type reading struct {
	schedule.Answer
	err       error                               // of which the answer has the reason; its text is safe to print
	sightings map[string]diff.Sighting            // of a lookup: the sessions that are found, by id
	observed  map[diff.WorkerKey]diff.Observation // of a job's page: what it shows of each worker that counts
}

// known returns the last committed snapshot of a worker, which is the zero value if nothing was committed yet. It reports false
// if what a job's page shows of the worker does not count.
type known func(diff.WorkerKey) (diff.Snapshot, bool)

func newAssembler(c Config) *assembler {
	return &assembler{isReserved: c.IsReserved, isSelected: c.isSelected, lists: make(map[uint64]*list)}
}

// read takes in the reply to a call, and returns what it says. What the snapshots of the workers remember as ended is not
// kept, see diff.Observation.Add.
func (a *assembler) read(r *reply, of known) reading {
	rd := reading{Answer: schedule.Answer{RetryAfter: r.retryAfter, Sent: r.Sent, HasDate: !r.date.IsZero()}, err: r.err}
	switch {
	case r.call.Kind == schedule.BatchGetSession || r.call.Kind == schedule.GetSession:
		readLookup(r, &rd)
	case r.err != nil:
		rd.NotFound = notFoundBy(r)
	case r.call.Kind == schedule.BatchGetWorker:
		rd.err = readWorkers(r, &rd.Answer)
	default:
		rd.err = a.addPage(r, &rd, of)
	}
	rd.Reason = reasonOf(rd.err)
	return rd
}

// notFoundBy returns the kind of the resource that does not exist, according to the error of a list or of
// BatchGetWorker. A listing has begun if it has a page, and then its worker exists.
func notFoundBy(r *reply) string {
	c := r.call
	switch {
	case c.Kind == schedule.BatchGetWorker:
		return notFoundKind(r.err, map[string]string{c.Workers[0].FarmID: "farm"})
	case c.Kind == schedule.ListSessions:
		return notFoundKind(r.err, map[string]string{c.Job.FarmID: "farm", c.Job.QueueID: "queue", c.Job.JobID: "job"})
	case c.Kind != schedule.ListSessionsForWorker:
		return notFoundKind(r.err, map[string]string{c.Farm: "farm", c.Fleet: "fleet"})
	case c.Page == 1:
		return notFoundKind(r.err, map[string]string{c.Worker.FarmID: "farm", c.Worker.FleetID: "fleet", c.Worker.WorkerID: "worker"})
	}
	return ""
}

// addPage adds a page to its list. If the page is not valid, nothing of it is added.
func (a *assembler) addPage(r *reply, rd *reading, of known) error {
	l, answer := a.lists[r.call.List], &rd.Answer
	switch {
	case l == nil && r.call.Page != 1:
		return errUnknownList
	case l == nil:
		a.replace(r.call)
		l = &list{tokens: make(paginator.TokenSet), date: r.bestDate()}
		if w := r.call.Worker; r.call.Kind == schedule.ListSessionsForWorker {
			l.observation = &diff.Observation{Worker: w, Source: diff.CompleteListing, FirstRequest: r.Exchange, Date: r.date}
		}
	}
	var err error
	switch out := r.out.(type) {
	case *deadline.ListFarmsOutput:
		err = a.addFarms(l, answer, out)
	case *deadline.ListFleetsOutput:
		err = a.addFleets(l, answer, r, out)
	case *deadline.ListWorkersOutput:
		err = addWorkers(l, answer, out)
	case *deadline.ListSessionsForWorkerOutput:
		err = a.addListing(l, rd, r, out, of)
	case *deadline.ListSessionsOutput:
		err = a.addJobPage(l, rd, r, out, of)
	}
	if err != nil {
		return fmt.Errorf("%s, page %d: %w", r.call.Kind.Operation(), r.call.Page, err)
	}
	l.Call, l.arrived = r.call, r.Arrived
	a.lists[r.call.List] = l
	return nil
}

// replace drops the older lists of what a list of discovery or of a job lists anew. The first page of a list that the schedule
// has given up may arrive after that of a newer one, which it does not replace.
func (a *assembler) replace(c schedule.Call) {
	for number, l := range a.lists {
		isSame := l.Kind == c.Kind && l.Farm == c.Farm && l.Fleet == c.Fleet && l.Job == c.Job
		if c.Kind != schedule.ListSessionsForWorker && number < c.List && isSame {
			delete(a.lists, number)
		}
	}
}

// accept takes in the token of the next page, as the last check of a page.
func (l *list) accept(next *string, answer *schedule.Answer) error {
	answer.Next = aws.ToString(next)
	return l.tokens.Add(next)
}

func (a *assembler) addFarms(l *list, answer *schedule.Answer, out *deadline.ListFarmsOutput) error {
	if out.Farms == nil {
		return errNoList
	}
	for _, f := range out.Farms {
		if err := checkID(f.FarmId); err != nil {
			return err
		}
		answer.Farms = append(answer.Farms, *f.FarmId)
	}
	if err := l.accept(out.NextToken, answer); err != nil {
		return err
	}
	l.farms = append(l.farms, answer.Farms...)
	return nil
}

func (a *assembler) addFleets(l *list, answer *schedule.Answer, r *reply, out *deadline.ListFleetsOutput) error {
	if out.Fleets == nil {
		return errNoList
	}
	for _, f := range out.Fleets {
		if err := checkID(f.FleetId); err != nil {
			return err
		}
	}
	if err := l.accept(out.NextToken, answer); err != nil {
		return err
	}
	if l.unselected == nil {
		l.unselected = make(map[string]bool)
	}
	for _, f := range out.Fleets {
		if !a.isSelected(r.call.Farm, *f.FleetId) {
			l.unselected[*f.FleetId] = true
			continue
		}
		answer.Fleets = append(answer.Fleets, *f.FleetId)
		l.fleets = append(l.fleets, listedFleet{id: *f.FleetId, createdAt: utc(f.CreatedAt), date: r.bestDate()})
	}
	return nil
}

func addWorkers(l *list, answer *schedule.Answer, out *deadline.ListWorkersOutput) error {
	if out.Workers == nil {
		return errNoList
	}
	var workers []schedule.Worker
	for i := range out.Workers {
		w := &out.Workers[i]
		if err := checkID(w.WorkerId); err != nil {
			return err
		}
		workers = append(workers, schedule.Worker{ID: *w.WorkerId, Status: statusOf(w.Status, w.HostProperties)})
	}
	if err := l.accept(out.NextToken, answer); err != nil {
		return err
	}
	answer.Workers = workers
	return nil
}

// end takes in what a call has come to, after read. It returns the observations that the call gives, and the list of
// farms or fleets that it has completed.
func (a *assembler) end(r *reply, rd *reading, o schedule.Outcome) ([]diff.Observation, *list) {
	observations := rd.observations(o.Workers)
	if o.Stage == schedule.UnderWay {
		return observations, nil
	}
	l := a.lists[r.call.List]
	delete(a.lists, r.call.List)
	switch kind := r.call.Kind; {
	case kind == schedule.BatchGetSession || kind == schedule.GetSession:
		return answers(r, rd, o.Confirmed), nil
	case kind == schedule.ListSessionsForWorker && o.NoSuchWorker:
		return []diff.Observation{{Worker: r.call.Worker, Source: diff.NoSuchWorker, FirstRequest: r.Exchange, Date: r.date}}, nil
	case kind == schedule.ListSessions:
		return observations, nil
	case l == nil:
		return nil, nil
	case kind == schedule.ListSessionsForWorker && o.Stage == schedule.Complete:
		return []diff.Observation{*l.observation}, nil
	case kind == schedule.ListSessionsForWorker && o.Stage == schedule.Stopped:
		return []diff.Observation{l.answers()}, nil
	case kind == schedule.ListSessionsForWorker && (o.Ignored || rd.Reason == schedule.Cancelled):
		return l.stopped(), nil
	case kind.IsDiscovery() && o.Stage == schedule.Complete && !o.Ignored:
		return nil, l
	}
	return nil, nil
}

// answers returns the observation of a listing that is not complete. It proves no absence.
func (l *list) answers() diff.Observation {
	o := *l.observation
	o.Source, o.FirstRequest, o.Date, o.Pages = diff.Answers, diff.Exchange{}, time.Time{}, 0
	return o
}

// stopped returns the observation of a listing that was given up, if it has shown something.
func (l *list) stopped() []diff.Observation {
	if len(l.observation.Sightings) == 0 {
		return nil
	}
	return []diff.Observation{l.answers()}
}

// stop drops the listings of a shard's workers of which no call is in flight, and returns what they have shown.
func (a *assembler) stop(shard int, inFlight map[uint64]bool) (all []diff.Observation) {
	for number, l := range a.lists {
		if !inFlight[number] && slices.Contains(l.Shards, shard) {
			delete(a.lists, number)
			all = append(all, l.stopped()...)
		}
	}
	return all
}

// keep drops the lists of discovery of which no call is in flight and that are not to be kept.
func (a *assembler) keep(inFlight map[uint64]bool, keep func(*list) bool) {
	for number, l := range a.lists {
		if l.Kind.IsDiscovery() && !inFlight[number] && !keep(l) {
			delete(a.lists, number)
		}
	}
}

// jobListAge is how long ago the last page of a job's list may have arrived while no call for the list is in flight. It is longer
// than any pause.
const jobListAge = time.Hour

// forgetJobs drops the lists of jobs of which no call is in flight and that the schedule must have given up.
func (a *assembler) forgetJobs(inFlight map[uint64]bool, now time.Time) {
	for number, l := range a.lists {
		if l.Kind == schedule.ListSessions && !inFlight[number] && now.Sub(l.arrived) > jobListAge {
			delete(a.lists, number)
		}
	}
}
