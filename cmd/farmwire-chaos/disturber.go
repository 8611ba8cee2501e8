package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/proxy"
)

// disturber disturbs a testbed as planned, one disturbance after the other, and counts those that succeeded.
type disturber struct {
	*testbed
	rng            *rand.Rand
	out            io.Writer
	sessionTimeout time.Duration // of the instances in their group
	pause          time.Duration // after each disturbance
	gapAfter       time.Duration // of the instances
	counts         counts
	brokerDown     chan struct{} // has a token while a broker is down
}

func newDisturber(t *testbed, f *flags, rng *rand.Rand, out io.Writer) *disturber {
	return &disturber{testbed: t, rng: rng, out: out, sessionTimeout: f.SessionTimeout, pause: f.Pause, gapAfter: f.GapAfter, brokerDown: make(chan struct{}, 1)}
}

// run returns when the plan is done, at the deadline, when ctx ends, or with an error when an instance cannot live.
func (d *disturber) run(ctx context.Context, plan []disturbance, deadline time.Time) error {
	reported := time.Now()
	for n, kind := range plan {
		if time.Now().After(deadline) {
			fmt.Fprintf(d.out, "--duration is over after %d of %d disturbances\n", n, len(plan))
			return nil
		}
		if time.Since(reported) > 10*time.Second {
			reported = time.Now()
			fmt.Fprintf(d.out, "%5d of %d: %s\n", n, len(plan), &d.counts)
		}
		if d.do(ctx, kind) {
			d.counts.add(kind)
		}
		pause(ctx, d.pause)
		for _, i := range d.instances {
			if err := i.Broken(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// do reports whether the disturbance succeeded. Late requests and failures of the API go on in the background, and count themselves.
func (d *disturber) do(ctx context.Context, kind disturbance) bool {
	i := d.instances[d.rng.IntN(len(d.instances))]
	wait := time.Duration(d.rng.Int64N(int64(1500 * time.Millisecond)))
	atOnce := d.rng.IntN(4) == 0 // also disturb instances that have not restored any shard
	switch kind {
	case killInstance:
		return d.kill(ctx, i, wait, atOnce)
	case stopInstance:
		pause(ctx, wait)
		return d.stopUntilTakenOver(ctx, i)
	case killBroker:
		pause(ctx, wait)
		return d.killBroker(ctx, d.rng.IntN(d.kafka.Size()), wait)
	case cutConnections, freeze:
		pause(ctx, wait/4)
		return d.disturbConnections(ctx, kind, d.rng.IntN(len(d.brokers)+1), wait)
	case lateProduce:
		pause(ctx, wait)
		d.delayProduce(ctx)
		return false
	case lateEndTxn:
		pause(ctx, wait)
		d.delayEndTxn(ctx)
		return false
	case holdHeartbeats:
		pause(ctx, wait)
		return d.holdHeartbeats(ctx)
	case failAPI:
		d.failAPI(ctx)
		return false
	case denyFleet:
		d.denyFleet(ctx)
		return false
	case hangWorkers:
		d.hangWorkers(ctx)
		return false
	case freezeKafka:
		pause(ctx, wait)
		return d.freezeKafka(ctx)
	case stopAll:
		return d.stopAll(ctx)
	default:
		for _, i := range d.instances {
			i.Restart()
		}
		pause(ctx, wait)
		return true
	}
}

// kill kills a process at a random moment, in most cases after it has acquired a shard.
func (d *disturber) kill(ctx context.Context, i *instance.Instance, wait time.Duration, atOnce bool) bool {
	if !atOnce {
		started := i.Started()
		await(ctx, 4*time.Second, func() bool { return d.shards.AcquiredSince(i.Number, started) })
	}
	pause(ctx, wait)
	return await(ctx, 3*time.Second, i.Kill) // the instance may have no process at the moment
}

// stopUntilTakenOver stops a process until other instances own all of its shards.
func (d *disturber) stopUntilTakenOver(ctx context.Context, i *instance.Instance) bool {
	started := i.Started()
	await(ctx, 10*time.Second, func() bool { return d.shards.AcquiredSince(i.Number, started) })
	shards := d.shards.Of(i.Number)
	since, key := time.Now(), i.Key()
	if !i.Pause() {
		return false
	}
	over := d.log.begin(stopInstance, key)
	defer func() { i.Resume(); over(ownerRecovery) }()
	return await(ctx, 20*time.Second, func() bool { return d.shards.TakenOver(shards, i.Number, since) }) && len(shards) > 0
}

// killBroker kills a broker and starts it again in the background. It waits for a broker that is down already.
func (d *disturber) killBroker(ctx context.Context, n int, down time.Duration) bool {
	select {
	case d.brokerDown <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	over := d.log.begin(killBroker, "")
	d.brokers[n].Refuse() // clients must not reach the proxy of a dead broker
	if d.kafka.Kill(n) != nil {
		<-d.brokerDown
		over(brokerRecovery)
		return false
	}
	d.background.Go(func() {
		defer over(brokerRecovery)
		pause(ctx, down)
		if err := errors.Join(d.kafka.Restart(context.WithoutCancel(ctx), n), d.brokers[n].Admit()); err != nil {
			fmt.Fprintf(d.out, "broker %d was not started again: %v\n", n, err)
		}
		<-d.brokerDown
	})
	return true
}

// disturbConnections cuts or freezes the connections to a broker, or to the API if n is the number of brokers.
func (d *disturber) disturbConnections(ctx context.Context, kind disturbance, n int, wait time.Duration) bool {
	target := d.api
	if n < len(d.brokers) {
		target = d.brokers[n]
	}
	over := d.log.begin(kind, "")
	if kind == cutConnections {
		target.Cut()
		over(connectionRecovery)
		return true
	}
	answersOnly := d.rng.IntN(2) == 0
	d.background.Go(func() { target.Freeze(2*wait, answersOnly, ctx.Done()); over(connectionRecovery) })
	return true
}

// lateLimit is more than a publisher needs to give a transaction up (50 s), abort it, restore, and produce again.
const lateLimit = 80 * time.Second

// delayProduce makes a produce request late, in the background.
func (d *disturber) delayProduce(ctx context.Context) {
	over := d.log.begin(lateProduce, "")
	d.background.Go(func() {
		d.countLate(d.interceptor.DelayProduce(lateLimit, ctx.Done()), lateProduce, lateProduceAccepted)
		over(ownerRecovery)
	})
}

// delayEndTxn makes an EndTxn request late, in the background.
func (d *disturber) delayEndTxn(ctx context.Context) {
	const cutAfter = 2 * time.Second // a publisher waits 6 s for an answer
	over := d.log.begin(lateEndTxn, "")
	d.background.Go(func() {
		d.countLate(d.interceptor.DelayEndTxn(cutAfter, lateLimit, ctx.Done()), lateEndTxn, lateEndTxnAccepted)
		over(ownerRecovery)
	})
}

func (d *disturber) countLate(o proxy.Outcome, late, lateAccepted disturbance) {
	if o == proxy.Undelivered {
		return
	}
	d.counts.add(late)
	if o == proxy.Accepted {
		d.counts.add(lateAccepted)
	}
}

// holdHeartbeats holds back the heartbeats of one instance until others have had the time to take its shards over. It
// succeeds if another instance has tried to.
func (d *disturber) holdHeartbeats(ctx context.Context) bool {
	const initDelay, takeOver = time.Second, 4 * time.Second
	over := d.log.begin(holdHeartbeats, "")
	defer over(ownerRecovery)
	return d.interceptor.HoldHeartbeats(d.sessionTimeout+takeOver, initDelay, ctx.Done()) > 0
}
