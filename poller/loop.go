package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"farmwire/diff"

	"go.uber.org/zap"
)

const (
	publishEvery = time.Second
	countEvery   = 5 // the workers are counted for the gauges every so many times
)

// loop owns the schedule and the directory. It starts a goroutine for each call, takes in the results, and
// executes the commands of the Poller's methods. It never blocks, except while it waits for any of these.
type loop struct {
	ctx         context.Context
	poller      *Poller
	service     *service
	log         *zap.Logger
	schedule    *schedule
	directory   *directory
	shards      map[int]*shard
	results     chan result
	running     sync.WaitGroup
	inFlight    [callKinds]int
	calls       uint64    // started so far
	lastAsked   time.Time // when askUntilFarmShown last began a call
	lastFailure Reason    // why the last failed call failed
	searched    bool      // see State.Searched
	trial       trial
	survey      survey // of the last time that the workers were counted
	published   int    // how often publish was called

	firstFailures map[Reason]bool // of askUntilFarmShown, and logged
}

// result is the result of a call, or a page of a call that goes on.
type result struct {
	call         call
	callNumber   uint64       // counts the calls from 1
	shards       []*shard     // those of the call's workers
	page         *workersPage // not nil: a page of ListWorkers, and the call goes on
	farms        []string
	fleets       []listedFleet
	listed       time.Time // when the first page of farms or fleets was answered, by the service's clock
	observations []diff.Observation
	missed       []missingAnswer   // of a lookup
	noFleet      *diff.Observation // with err: the fleet or farm of the worker to list does not exist, if discovery confirms it
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

		firstFailures: make(map[Reason]bool),
	}
	l.addConfiguredTargets(time.Now())
	return l
}

// run works until the context ends.
func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	publish := time.NewTicker(publishEvery)
	defer publish.Stop()
	l.publish(time.Now())
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
			l.execute(l.poller.take())
		case r := <-l.results:
			l.finish(r, time.Now())
			if isDiscovery(r.call.kind.operation()) {
				l.publishState(time.Now())
			} else {
				l.publishCounts(*l.poller.state.Load())
			}
		case <-publish.C:
			l.publish(time.Now())
		}
	}
}

// end waits for everything that the loop has started. The context of the loop has ended.
func (l *loop) end() {
	l.publish(time.Now())
	l.running.Wait()
}

// begin begins the calls that may begin now. It returns when to call it again. Zero means after the next
// command or result.
func (l *loop) begin() (wake time.Time) {
	if len(l.shards) == 0 {
		return l.askUntilFarmShown(time.Now())
	}
	for {
		now := time.Now()
		earliest := l.startTimes(now)
		c, trialAt := l.nextTrial(now, &earliest)
		var wake time.Time
		if c.kind == noCall {
			c, wake = l.schedule.next(now, &earliest)
			wake = soonest(wake, trialAt)
		}
		if c.kind == noCall {
			l.reserve(&earliest, wake, now)
			return wake
		}
		l.service.budget.spend(c.kind.operation(), now)
		l.start(c)
	}
}

// reserve reserves the tokens for which the next calls wait, so that they have their turn among the pages
// of the calls in flight. The first of the next calls may begin at wake.
func (l *loop) reserve(earliest *startTimes, wake, now time.Time) {
	if wake.IsZero() {
		return
	}
	l.service.budget.reserve(false, wake, now)
	if target, at := l.schedule.discovery.next(earliest); target != nil {
		l.service.budget.reserve(true, at, now)
	}
}

// startTimes returns from when on calls of each kind may begin. Discovery, listings and lookups each have
// their own limit of calls in flight, so that none of them uses up all.
func (l *loop) startTimes(now time.Time) (earliest startTimes) {
	discovering := l.inFlight[listFarms] + l.inFlight[listFleets] + l.inFlight[listWorkers]
	lookingUp := l.inFlight[lookUpBatch] + l.inFlight[lookUpSingle]
	full := [callKinds]bool{
		listFarms: discovering >= 4, listFleets: discovering >= 4, listWorkers: discovering >= 4,
		listSessions: l.inFlight[listSessions] >= 48,
		lookUpBatch:  lookingUp >= 12, lookUpSingle: lookingUp >= 12,
	}
	for k := listFarms; k < callKinds; k++ {
		if full[k] {
			earliest[k] = now.Add(time.Hour) // until a call ends, which wakes the loop
		} else {
			earliest[k] = l.service.budget.ready(k.operation(), now)
		}
	}
	return earliest
}

// start makes a call in a goroutine of its own. The token of its first attempt was spent before.
func (l *loop) start(c call) {
	l.calls++
	callNumber := l.calls
	ctx, cancel := context.WithCancel(l.ctx)
	shards := l.shardsOf(c)
	for _, s := range shards {
		s.calls[callNumber] = cancel
	}
	l.inFlight[c.kind]++
	l.service.metrics.callsInFlight.Inc()
	q := &requester{service: l.service, prepaid: true, untilFarmShown: c.untilFarmShown, failedBefore: l.failedBefore(c)}
	l.running.Go(func() {
		defer cancel()
		r := l.makeCall(ctx, q, c, callNumber)
		r.shards = shards
		_ = l.post(r) // an error means that the loop has ended
	})
}

// failedBefore reports whether the last call for the same list or worker failed.
func (l *loop) failedBefore(c call) bool {
	if c.kind == listSessions {
		return c.workers[0].listingFailures > 0
	}
	t := l.schedule.discovery.targets[c.target]
	return isDiscovery(c.kind.operation()) && t != nil && t.failures > 0
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

func (l *loop) makeCall(ctx context.Context, q *requester, c call, callNumber uint64) result {
	r := result{call: c, callNumber: callNumber}
	switch c.kind {
	case listFarms:
		r.farms, r.listed, r.err = q.farms(ctx)
	case listFleets:
		r.fleets, r.listed, r.err = q.fleets(ctx, c.target.farm)
	case listWorkers:
		r.err = q.workers(ctx, c.target.farm, c.target.fleet, func(page workersPage) error {
			return l.post(result{call: c, callNumber: callNumber, page: &page})
		})
	case listSessions:
		var o diff.Observation
		if o, r.err = q.list(ctx, c.workers[0].key, c.maxPages); r.err == nil || len(o.Sightings) > 0 {
			r.observations = []diff.Observation{o}
		} else if o.Source == diff.NoSuchWorker {
			r.noFleet = &o
		}
	case lookUpBatch:
		k := newLookup(q, c.sessions)
		r.err = k.batch(ctx, c.sessions)
		r.observations, r.missed = k.observations(), k.missed
	case lookUpSingle:
		k := newLookup(q, c.sessions)
		r.err = k.singly(ctx, c.sessions)
		r.observations, r.missed = k.observations(), k.missed
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
	case r.call.untilFarmShown:
		l.finishFirstCall(r)
	case isDiscovery(r.call.kind.operation()):
		l.finishDiscovery(r, now)
	case r.call.trial:
		l.finishTrial(r, now)
	default:
		l.finishSessions(r, now)
	}
	if r.err != nil && !errors.Is(r.err, errFarmShown) && !isCancelled(r.err) {
		l.lastFailure = reasonOf(r.err)
	}
}

// finishSessions takes in the result of a listing or a lookup, and hands over the observations.
func (l *loop) finishSessions(r result, now time.Time) {
	l.confirmMissing(&r)
	o := callOutcome{err: r.err, observed: make(map[diff.WorkerKey]bool, len(r.observations)), missing: missingOf(&r)}
	for _, observation := range r.observations {
		o.observed[observation.Worker] = true
		o.noSuchWorker = o.noSuchWorker || observation.Source == diff.NoSuchWorker
		o.pages += observation.Pages
	}
	if r.call.kind == listSessions {
		l.countListing(r, now)
		for _, observation := range r.observations {
			l.trial.take(observation)
		}
	} else if r.err != nil {
		l.log.Debug("lookup failed", zap.String("farm", r.call.sessions[0].FarmID), zap.Int("sessions", len(r.call.sessions)), zap.Error(r.err))
	}
	l.schedule.callDone(r.call, o, now)
	for _, observation := range r.observations {
		l.deliver(r, observation)
	}
	for _, s := range r.shards {
		s.callDone(r.callNumber)
	}
}

// execute executes the commands of the Poller's methods, and publishes the State that results.
func (l *loop) execute(commands []command) {
	now, shardsChange := time.Now(), false
	for _, c := range commands {
		switch {
		case c.own != nil:
			shardsChange = true
			l.disown(c.own.shard)
			l.own(c.own, now)
		case c.disown != nil:
			shardsChange = true
			l.disown(*c.disown)
		default:
			l.schedule.committed(c.commit.Worker(), committedSessionsOf(*c.commit), now)
		}
	}
	if shardsChange {
		l.survey = l.schedule.survey(now)
		l.publishState(now)
	} else {
		l.publishCounts(*l.poller.state.Load())
	}
}

// isCancelled reports whether the Poller itself gave up a call.
func isCancelled(err error) bool { return errors.Is(err, context.Canceled) }
