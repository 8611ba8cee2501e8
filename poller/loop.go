package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
)

const (
	surveyEvery = time.Second
	scanEvery   = 5 // surveys between two looks at every worker
)

// loop owns the schedule and the directory. It starts a goroutine per call, takes in what
// they answer, and does what the Poller's methods ask for. Nothing that it does waits.
type loop struct {
	ctx       context.Context
	poller    *Poller
	service   *service
	log       *zap.Logger
	schedule  *schedule
	directory *directory
	shards    map[int]*shard
	results   chan result
	warned    unlistedLog
	running   sync.WaitGroup
	inFlight  [kinds]int
	walks     uint64
	probed    time.Time // when probe asked last
	refusal   Reason    // why the last call that failed did
	oldest    time.Duration
	surveys   int
}

// shard is a shard that is owned.
type shard struct {
	ctx    context.Context
	cancel context.CancelFunc
	box    *outbox
}

// result is what came of a call, or of a part of it.
type result struct {
	call         call
	walk         uint64        // ListWorkers
	page         *workersShown // ListWorkers: a page; the call goes on
	farms        []string
	fleets       []fleetShown
	listed       time.Time
	observations []diff.Observation
	err          error
}

func newLoop(ctx context.Context, p *Poller, random *rand.Rand) *loop {
	l := &loop{
		ctx:       ctx,
		poller:    p,
		service:   p.service,
		log:       p.service.log,
		schedule:  newSchedule(p.config.Staleness, p.config.Discovery, random),
		directory: newDirectory(),
		shards:    make(map[int]*shard),
		results:   make(chan result),
		warned:    make(unlistedLog),
	}
	l.seek(time.Now())
	return l
}

// run works until the context ends.
func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	survey := time.NewTicker(surveyEvery)
	defer survey.Stop()
	l.survey(time.Now())
	for l.ctx.Err() == nil {
		if wake := l.begin(); wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(wake)))
		}
		select {
		case <-l.ctx.Done():
		case <-timer.C:
		case <-l.poller.wake:
			l.obey(l.poller.take())
		case r := <-l.results:
			l.finish(r, time.Now())
		case <-survey.C:
			l.survey(time.Now())
		}
	}
}

// end waits for all that the loop started. Its context has ended.
func (l *loop) end() {
	l.survey(time.Now())
	for _, s := range l.shards {
		s.close()
	}
	l.running.Wait()
}

func (s *shard) close() {
	s.cancel()
	close(s.box.stop)
}

// begin begins the calls that may begin now, and says when to look again.
func (l *loop) begin() (wake time.Time) {
	if len(l.shards) == 0 {
		return l.probe(time.Now())
	}
	for {
		now := time.Now()
		open := l.gates(now)
		c, wake := l.schedule.next(now, &open)
		if c.kind == nothing {
			l.reserve(&open, wake, now)
			return wake
		}
		l.service.budget.spend(c.kind.operation(), now)
		l.start(c)
	}
}

// reserve reserves the tokens that the next calls wait for, so that they have their turn
// among the pages of the calls under way. The first of the next calls may begin at wake.
func (l *loop) reserve(open *gates, wake, now time.Time) {
	if wake.IsZero() {
		return
	}
	l.service.budget.reserve(false, wake, now)
	if search, at := l.schedule.rounds.next(open); search != nil {
		l.service.budget.reserve(true, at, now)
	}
}

// gates says from when on calls of each kind may begin. Places in flight are kept apart, so
// that no kind takes them all.
func (l *loop) gates(now time.Time) (open gates) {
	discovering := l.inFlight[listFarms] + l.inFlight[listFleets] + l.inFlight[listWorkers]
	looking := l.inFlight[lookUp] + l.inFlight[lookUpSingly]
	full := [kinds]bool{
		listFarms: discovering >= 4, listFleets: discovering >= 4, listWorkers: discovering >= 4,
		listSessions: l.inFlight[listSessions] >= 48,
		lookUp:       looking >= 12, lookUpSingly: looking >= 12,
	}
	for k := listFarms; k < kinds; k++ {
		if full[k] {
			open[k] = now.Add(time.Hour) // until a call ends, which wakes the loop
		} else {
			open[k] = l.service.budget.ready(k.operation(), now)
		}
	}
	return open
}

// start makes a call in a goroutine of its own. Its first attempt is paid for.
func (l *loop) start(c call) {
	ctx := l.ctx
	if c.kind == listSessions {
		ctx = l.shards[c.entries[0].shard].ctx
	}
	l.walks++
	walk := l.walks
	l.inFlight[c.kind]++
	l.service.metrics.callsInFlight.Inc()
	l.running.Go(func() {
		_ = l.post(l.make(ctx, c, walk)) // nobody waits for it if the loop has ended
	})
}

// post hands a result to the loop.
func (l *loop) post(r result) error {
	select {
	case l.results <- r:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// make makes the call.
func (l *loop) make(ctx context.Context, c call, walk uint64) result {
	a := &asker{service: l.service, prepaid: true, probe: c.probe}
	r := result{call: c, walk: walk}
	switch c.kind {
	case listFarms:
		r.farms, r.err = a.farms(ctx)
	case listFleets:
		r.fleets, r.listed, r.err = a.fleets(ctx, c.target.farm)
	case listWorkers:
		r.err = a.workers(ctx, c.target.farm, c.target.fleet, func(page workersShown) error {
			return l.post(result{call: c, walk: walk, page: &page})
		})
	case listSessions:
		var o diff.Observation
		if o, r.err = a.list(ctx, c.entries[0].key, c.pages); r.err == nil {
			r.observations = []diff.Observation{o}
		}
	case lookUp, lookUpSingly:
		k := newLookup(a, c.sessions)
		if c.kind == lookUp {
			r.err = k.batch(ctx, c.sessions)
		} else {
			r.err = k.singly(ctx, c.sessions)
		}
		r.observations = k.observations()
	}
	return r
}

// finish takes in a result.
func (l *loop) finish(r result, now time.Time) {
	if r.page != nil {
		l.showWorkers(r, now)
		return
	}
	l.inFlight[r.call.kind]--
	l.service.metrics.callsInFlight.Dec()
	switch {
	case r.call.probe:
		l.probeEnded(r)
	case isDiscovery(r.call.kind.operation()):
		l.searched(r, now)
	default:
		l.observed(r, now)
	}
	if r.err != nil && !errors.Is(r.err, errProbed) && !cancelled(r.err) {
		l.refusal = reasonOf(r.err)
	}
}

// observed takes in what came of a call about sessions, and hands it over.
func (l *loop) observed(r result, now time.Time) {
	o := outcome{err: r.err, observed: make(map[diff.WorkerKey]bool, len(r.observations))}
	for _, seen := range r.observations {
		o.observed[seen.Worker] = true
		o.gone = o.gone || seen.Source == diff.NoSuchWorker
		o.pages += seen.Pages
	}
	if r.call.kind == listSessions {
		l.countListing(r, now)
	} else if r.err != nil {
		l.log.Debug("lookup failed", zap.String("farm", r.call.sessions[0].FarmID), zap.Int("sessions", len(r.call.sessions)), zap.Error(r.err))
	}
	l.schedule.done(r.call, o, now)
	for _, seen := range r.observations {
		i := slices.IndexFunc(r.call.entries, func(e *entry) bool { return e.key == seen.Worker && !e.dropped })
		if i >= 0 {
			e := r.call.entries[i]
			seen.Status = e.status
			l.shards[e.shard].box.in <- seen // never waits long: an outbox always takes
		}
	}
}

// countListing counts a listing and says in the log if it is the third in a row to fail, or
// the first to succeed after that.
func (l *loop) countListing(r result, now time.Time) {
	e, m := r.call.entries[0], l.service.metrics
	if e.dropped {
		return
	}
	switch {
	case r.err != nil:
		m.discarded.WithLabelValues(string(reasonOf(r.err))).Inc()
		l.log.Debug("listing discarded", append(e.fields(), zap.Int("attempt", e.failed+1), zap.Error(r.err))...)
		if e.failed+1 == blindAfter && !e.unlisted() {
			l.logUnlisted(e, r.err)
		}
		return
	case e.failed >= blindAfter:
		l.logListedAgain(e)
	}
	o := r.observations[0]
	if o.Source == diff.NoSuchWorker {
		m.workersGone.Inc()
		return
	}
	m.listings.Inc()
	m.pages.Observe(float64(o.Pages))
	if !e.listedAt.IsZero() {
		m.listingAge.Observe(now.Sub(e.listedAt).Seconds())
	}
}

// obey does what the Poller's methods asked for.
func (l *loop) obey(commands []command) {
	now := time.Now()
	for _, c := range commands {
		switch {
		case c.own != nil:
			l.disown(c.own.shard)
			l.own(c.own, now)
		case c.isDisown:
			l.disown(c.disown)
		default:
			l.schedule.committed(c.commit.Worker(), holdingsOf(*c.commit), now)
		}
	}
}

func (l *loop) own(o *ownership, now time.Time) {
	s := &shard{box: o.box}
	s.ctx, s.cancel = context.WithCancel(l.ctx)
	l.shards[o.shard] = s
	l.running.Go(o.box.run)
	l.shareBudget(now)
	for _, snapshot := range o.snapshots {
		if w := snapshot.Worker(); l.selected(w.FarmID, w.FleetID) {
			l.schedule.own(w, o.shard, holdingsOf(snapshot), l.schedule.turn(now))
		}
	}
	for _, f := range l.directory.fleets {
		for _, w := range f.workers {
			if l.poller.config.Shard(w.key.WorkerID) == o.shard {
				l.schedule.saw(w.key, o.shard, w.status, now)
			}
		}
	}
}

func (l *loop) disown(number int) {
	s := l.shards[number]
	if s == nil {
		return
	}
	delete(l.shards, number)
	l.schedule.disown(number)
	l.shareBudget(time.Now())
	s.close()
}

func (l *loop) shareBudget(now time.Time) {
	l.service.budget.share(len(l.shards), l.poller.config.Shards, now)
	l.service.metrics.requestRate.Set(l.service.budget.rate(len(l.shards)))
}

// cancelled reports whether a call was given up by ourselves.
func cancelled(err error) bool { return errors.Is(err, context.Canceled) }
