package poller

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"go.uber.org/zap"
)

const (
	publishEvery = time.Second
	countEvery   = 5 // the workers are counted for the gauges every so many times
)

// loop owns the schedule, the assembler and the directory. It starts a goroutine for each call, takes in the replies, and
// executes the commands of the Poller's methods. It never blocks, except while it waits for any of these.
type loop struct {
	ctx       context.Context
	poller    *Poller
	service   *service
	log       *zap.Logger
	schedule  *schedule.Schedule
	assembler *assembler
	directory *directory
	shards    map[int]*shard
	flights   map[uint64]*flight // the calls in flight, by number
	replies   chan reply
	running   sync.WaitGroup
	lastCall  uint64 // the number of the last call that was sent
	published int    // how often publish was called
	farmShown bool   // the channel of FarmShown is closed

	firstFailures map[schedule.Reason]bool // of calls that were sent before a shard was owned, and logged
}

func newLoop(ctx context.Context, p *Poller) *loop {
	c := p.config
	return &loop{
		ctx:     ctx,
		poller:  p,
		service: p.service,
		log:     p.service.log,
		schedule: schedule.New(schedule.Config{
			Farms: c.Farms, Fleets: c.Fleets, Rate: c.Rate, Staleness: c.Staleness, Discovery: c.Discovery, Shards: c.Shards, Shard: c.Shard,
			Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		}, time.Now()),
		assembler: newAssembler(c),
		directory: newDirectory(),
		shards:    make(map[int]*shard),
		flights:   make(map[uint64]*flight),
		replies:   make(chan reply),

		firstFailures: make(map[schedule.Reason]bool),
	}
}

// run works until the context ends.
func (l *loop) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	publish := time.NewTicker(publishEvery)
	defer publish.Stop()
	l.publish(time.Now())
	for l.ctx.Err() == nil {
		wake := l.send()
		l.publishCounts()
		if wake.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(wake)))
		}
		select {
		case <-l.ctx.Done():
		case <-timer.C:
		case <-l.poller.wake:
			l.execute(l.poller.take(), time.Now())
		case r := <-l.replies:
			l.take(&r, time.Now())
		case <-publish.C:
			l.publish(time.Now())
		}
	}
}

// end waits until all goroutines that the loop has started have ended. It is called after the context of the loop has ended.
func (l *loop) end() {
	l.publish(time.Now())
	l.running.Wait()
	l.tellUnanswered()
	s := *l.poller.state.Load()
	s.InFlight = 0 // the loop has not taken in what became of the calls
	l.poller.state.Store(&s)
	l.noteCounts(s.Counts)
}

// send sends the calls that are to be sent now. It returns when to call it again. Zero means after the next command or reply.
func (l *loop) send() (wake time.Time) {
	for {
		c, wake := l.schedule.Next(time.Now())
		if c.Number == 0 {
			return wake
		}
		l.start(c)
	}
}

// start sends a call in a goroutine of its own.
func (l *loop) start(c schedule.Call) {
	ctx, cancel := context.WithCancel(l.ctx)
	f := &flight{Call: c, cancel: cancel, atFirst: len(l.shards) == 0}
	l.lastCall = c.Number
	for _, number := range c.Shards {
		if s := l.shards[number]; s != nil && c.Kind != schedule.BatchGetWorker { // that gives no observations to wait for
			s.calls++
			f.shards = append(f.shards, s)
		}
	}
	l.flights[c.Number] = f
	l.tellSent(f)
	l.running.Go(func() {
		defer cancel()
		r := l.service.send(ctx, c)
		select {
		case l.replies <- r:
		case <-l.ctx.Done():
		}
	})
}

// take takes in the reply to a call, and hands over the observations that it gives.
func (l *loop) take(r *reply, now time.Time) {
	f := l.flights[r.call.Number]
	delete(l.flights, r.call.Number)
	rd := l.assembler.read(r, func(w diff.WorkerKey) (diff.Snapshot, bool) { return l.known(f, w) })
	o := l.schedule.Done(r.call, rd.Answer, now)
	observations, complete := l.assembler.end(r, &rd, o)
	if !f.atFirst && !o.Ignored {
		l.updateFound(r, &rd, complete, now)
	}
	l.count(f, &rd, o, observations, now)
	l.report(f, &rd, o)
	l.tellAnswered(f, r, &rd, o, observations)
	for _, observation := range observations {
		l.deliver(f, observation, o.Ignored)
	}
	for _, s := range f.shards {
		s.calls--
		s.closeIfDone()
	}
}

// updateFound takes in a page of a fleet's workers, and a list of farms or fleets that is complete. A fleet is published in
// Found before any of its workers is listed.
func (l *loop) updateFound(r *reply, rd *reading, complete *list, now time.Time) {
	d := l.directory
	if r.call.Kind == schedule.ListWorkers && rd.Reason == "" {
		d.addFleet(r.call.Farm, listedFleet{id: r.call.Fleet, date: r.bestDate()})
	}
	if complete != nil {
		switch complete.Kind {
		case schedule.ListFarms:
			first := d.found.FarmsListed.IsZero()
			l.logFound("farms", "", first, d.farmsListed(complete, now))
		case schedule.ListFleets:
			first := d.found.Farms[complete.Farm].Listed.IsZero()
			l.logFound("fleets", complete.Farm, first, d.fleetsListed(complete, now))
		}
		l.assembler.keep(l.listsInFlight(), d.lists)
	}
	if d.dirty {
		l.poller.found.Store(d.copyFound())
	}
}

// listsInFlight returns the lists of which a call is in flight.
func (l *loop) listsInFlight() map[uint64]bool {
	lists := make(map[uint64]bool, len(l.flights))
	for _, f := range l.flights {
		lists[f.List] = true
	}
	return lists
}

// execute executes the commands of the Poller's methods. If they change which shards are owned, it publishes the State.
func (l *loop) execute(commands []command, now time.Time) {
	shardsChange := false
	for _, c := range commands {
		switch {
		case c.own != nil:
			shardsChange = true
			l.disown(c.own.shard, now)
			l.own(c.own, now)
		case c.disown != nil:
			shardsChange = true
			l.disown(*c.disown, now)
		default:
			l.commit(*c.commit, now)
		}
	}
	if shardsChange {
		l.publishState(now)
	}
}
