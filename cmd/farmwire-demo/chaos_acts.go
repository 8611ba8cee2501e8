package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// act is one kind of harm.
type act string

const (
	actKill    act = "SIGKILL"
	actStop    act = "SIGSTOP take-over"
	actBroker  act = "broker SIGKILL"
	actCut     act = "cut"
	actFreeze  act = "half-open"
	actRestart act = "full restart"
	actLate    act = "late produce"
	actUnheard act = "unheard take-over"
	actTaken   act = "late produce accepted" // by the broker, which a publisher with a new epoch never sees
	actEnd     act = "late EndTxn"
	actEnded   act = "late EndTxn accepted" // by the broker, which a publisher with a new epoch never sees
)

// planActs is what will be done, in the order that the seed gives.
func planActs(c *chaosCmd, rng *rand.Rand) []act {
	var acts []act
	for what, n := range map[act]int{
		actKill: c.Kills, actStop: c.Stops, actBroker: c.BrokerKills, actCut: c.Cuts, actFreeze: c.Freezes, actRestart: c.Restarts,
		actLate: c.Late, actEnd: c.LateEnds, actUnheard: c.Unheard,
	} {
		for range n {
			acts = append(acts, what)
		}
	}
	sortActs(acts) // a map has no order of its own
	rng.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	return acts
}

// play does the acts one after the other, and counts those that came off.
type play struct {
	*arena
	rng     *rand.Rand
	out     io.Writer
	mu      sync.Mutex
	counts  map[act]int
	session time.Duration // farmwire's --session-timeout
	moving  chan struct{} // holds a token while a broker is down
}

// run does the acts until they are done or ctx ends.
func (p *play) run(ctx context.Context, acts []act, until time.Time) error {
	said := time.Now()
	for n, what := range acts {
		if time.Now().After(until) {
			fmt.Fprintf(p.out, "%s is over after %d of %d acts\n", "--duration", n, len(acts))
			return nil
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			fmt.Fprintf(p.out, "%5d of %d: %s\n", n, len(acts), p.tell())
		}
		if p.do(ctx, what) {
			p.count(what)
		}
		for _, i := range p.instances {
			if err := i.broken(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (p *play) count(what act) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[what]++
}

// tell lists the counts in a fixed order.
func (p *play) tell() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return tell(p.counts)
}

// do reports whether the act came off. A late request goes on beside what follows, and counts itself.
func (p *play) do(ctx context.Context, what act) bool {
	i := p.instances[p.rng.IntN(len(p.instances))]
	wait := time.Duration(p.rng.Int64N(int64(1500 * time.Millisecond)))
	blind := p.rng.IntN(4) == 0 // strike before anything is restored, too
	switch what {
	case actKill:
		return p.kill(ctx, i, wait, blind)
	case actStop:
		pause(ctx, wait)
		return p.takeOver(ctx, i)
	case actBroker:
		pause(ctx, wait)
		return p.killBroker(ctx, p.rng.IntN(p.kafka.Size()), wait)
	case actCut, actFreeze:
		pause(ctx, wait/4)
		return p.harm(ctx, what, p.rng.IntN(len(p.brokers)+1), wait)
	case actLate:
		pause(ctx, wait)
		p.delay(ctx)
		return false
	case actEnd:
		pause(ctx, wait)
		p.delayEnd(ctx)
		return false
	case actUnheard:
		pause(ctx, wait)
		return p.unheard(ctx)
	default:
		for _, i := range p.instances {
			i.terminate(false)
		}
		pause(ctx, wait)
		return true
	}
}

// kill strikes at a random moment; most often after the last start has come so far as to publish.
func (p *play) kill(ctx context.Context, i *instance, wait time.Duration, blind bool) bool {
	if !blind {
		begun := i.since()
		p.await(ctx, 4*time.Second, func() bool { return p.owners.acquiredSince(i.number, begun) })
	}
	pause(ctx, wait)
	return p.await(ctx, 3*time.Second, i.kill) // it may be between two lives
}

// takeOver stops an instance until others own all of its shards, and lets it go on then.
func (p *play) takeOver(ctx context.Context, i *instance) bool {
	begun := i.since()
	p.await(ctx, 10*time.Second, func() bool { return p.owners.acquiredSince(i.number, begun) })
	shards := p.owners.shards(i.number)
	since, key := time.Now(), i.key()
	if !i.signal(stopProcess) {
		return false
	}
	over := p.harms.begin(string(actStop), key)
	defer func() { i.signal(continueProcess); over(mendOwner) }()
	return p.await(ctx, 20*time.Second, func() bool { return p.owners.taken(shards, i.number, since) }) && len(shards) > 0
}

// killBroker kills a broker, and starts it again beside what follows. One at a time.
func (p *play) killBroker(ctx context.Context, n int, down time.Duration) bool {
	select {
	case p.moving <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	over := p.harms.begin(string(actBroker), "")
	p.brokers[n].refuse() // as the port of a broker that is gone
	if p.kafka.Kill(n) != nil {
		<-p.moving
		over(mendBroker)
		return false
	}
	p.acts.Go(func() {
		defer over(mendBroker)
		pause(ctx, down)
		if err := errors.Join(p.kafka.Restart(context.WithoutCancel(ctx), n), p.brokers[n].admit()); err != nil {
			fmt.Fprintf(p.out, "broker %d did not come back: %v\n", n, err)
		}
		<-p.moving
	})
	return true
}

// harm cuts the connections to a broker or to the API, or lets them hang.
func (p *play) harm(ctx context.Context, what act, n int, d time.Duration) bool {
	target := p.api
	if n < len(p.brokers) {
		target = p.brokers[n]
	}
	over := p.harms.begin(string(what), "")
	if what == actCut {
		target.cut()
		over(mendConnection)
		return true
	}
	answersOnly := p.rng.IntN(2) == 0
	p.acts.Go(func() { target.freeze(2*d, answersOnly, ctx.Done()); over(mendConnection) })
	return true
}

// lateLimit is longer than a publisher holds on to a transaction (50 s), aborts it, restores and produces again.
const lateLimit = 80 * time.Second

// delay lets a produce request come too late.
func (p *play) delay(ctx context.Context) {
	over := p.harms.begin(string(actLate), "")
	p.acts.Go(func() { p.countLate(p.traffic.delay(lateLimit, ctx.Done()), actLate, actTaken); over(mendOwner) })
}

// delayEnd lets an EndTxn come too late.
func (p *play) delayEnd(ctx context.Context) {
	const wait = 2 * time.Second // a publisher waits 6 s for an answer
	over := p.harms.begin(string(actEnd), "")
	p.acts.Go(func() {
		p.countLate(p.traffic.delayEnd(newLateEnd(wait), lateLimit, ctx.Done()), actEnd, actEnded)
		over(mendOwner)
	})
}

func (p *play) countLate(f fate, late, taken act) {
	switch f {
	case accepted:
		p.count(taken)
		fallthrough
	case refused:
		p.count(late)
	}
}

// unheard lets the heartbeats of one instance hang until others have taken its shards over, or might have.
func (p *play) unheard(ctx context.Context) bool {
	const slow, enough = time.Second, 4 * time.Second
	over := p.harms.begin(string(actUnheard), "")
	defer over(mendOwner)
	h := newHush(slow)
	p.traffic.set(h)
	pause(ctx, p.session+enough)
	p.traffic.set(nil)
	close(h.over)
	return h.delayed() > 0
}

// await asks until it is so; false: not within d.
func (p *play) await(ctx context.Context, d time.Duration, so func() bool) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 10*time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// since is when the instance's process was started.
func (i *instance) since() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.begun
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
