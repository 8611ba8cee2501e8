package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// What is done to farmwire trigger, besides what is done to farmwire run.
const (
	restartOne disturbance = "restart"
	exchange   disturbance = "exchange"
	away       disturbance = "receiver away"
)

// triggerDisturber disturbs a triggerBed, one disturbance after the other. Some go on while others follow.
type triggerDisturber struct {
	*triggerBed
	cfg       *triggerCmd
	rng       *rand.Rand
	out       io.Writer
	counts    counts
	busyKills int                      // SIGKILLs while the receiver had requests of the process under way
	group     int                      // of triggerGroups; the one that is disturbed
	outside   map[string]chan struct{} // has a token while a member of the group is stopped or exchanged
	gone      map[string]chan struct{} // has a token while the receiver is away for the group
}

func newTriggerDisturber(b *triggerBed, c *triggerCmd, out io.Writer) *triggerDisturber {
	d := &triggerDisturber{triggerBed: b, cfg: c, rng: rand.New(rand.NewPCG(c.Seed, 7)), out: out,
		outside: map[string]chan struct{}{}, gone: map[string]chan struct{}{}}
	for _, group := range triggerGroups {
		d.outside[group], d.gone[group] = make(chan struct{}, 1), make(chan struct{}, 1)
	}
	return d
}

// plan shuffles what the flags ask for by the seed.
func (d *triggerDisturber) plan() []disturbance {
	var plan []disturbance
	for _, one := range []struct {
		kind disturbance
		n    int
	}{
		{killInstance, d.cfg.Kills}, {stopInstance, d.cfg.Stops}, {restartOne, d.cfg.Restarts}, {exchange, d.cfg.Exchanges},
		{killBroker, d.cfg.BrokerKills}, {cutConnections, d.cfg.Cuts}, {freeze, d.cfg.Freezes}, {away, d.cfg.Aways},
	} {
		plan = append(plan, slices.Repeat([]disturbance{one.kind}, one.n)...)
	}
	d.rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	return plan
}

// run returns when the plan is done, at the deadline, when ctx ends, or with an error when an instance cannot live.
func (d *triggerDisturber) run(ctx context.Context, deadline time.Time) error {
	const first = 30 * time.Second // to join the groups
	for _, m := range d.everyone() {
		await(ctx, first, func() bool { all, _ := d.receiver.Served(m.Key()); return all > 0 })
	}
	reported, atOnce := time.Now(), false
	plan := d.plan()
	for n, kind := range plan {
		if time.Now().After(deadline) {
			fmt.Fprintf(d.out, "--duration is over after %d of %d disturbances\n", n, len(plan))
			return nil
		}
		if time.Since(reported) > 10*time.Second {
			reported = time.Now()
			fmt.Fprintf(d.out, "%5d of %d: %s\n", n, len(plan), &d.counts)
		}
		if d.do(ctx, kind, atOnce) {
			d.counts.add(kind)
		}
		// A group needs more than the session timeout of 10 s to give away the partitions of a process that was killed. So a
		// few disturbances of one group follow each other, and then it is left alone while the other one is disturbed.
		if atOnce = d.rng.IntN(2) == 0; !atOnce {
			pause(ctx, d.cfg.Pause)
			d.group = (d.group + 1) % len(triggerGroups)
		}
		for _, m := range d.everyone() {
			if err := m.Broken(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	pause(ctx, d.cfg.Pause)
	return nil
}

// do reports whether the disturbance succeeded. Those in the background count themselves. At once means that it does not wait
// until an instance has delivered something.
func (d *triggerDisturber) do(ctx context.Context, kind disturbance, atOnce bool) bool {
	group := triggerGroups[d.group]
	all := d.present(group)
	m := all[d.rng.IntN(len(all))]
	wait := time.Duration(d.rng.Int64N(int64(1500 * time.Millisecond)))
	pause(ctx, wait/4)
	switch kind {
	case killInstance:
		return d.kill(ctx, m, wait, atOnce)
	case stopInstance:
		const longer = 13 * time.Second // the group waits 10 s for a member
		d.takeOut(ctx, group, kind, func(m *member) bool { return d.pause(ctx, m, longer) })
		return false
	case restartOne:
		awaitBegun(ctx, m)
		m.Restart()
		return true
	case exchange:
		d.takeOut(ctx, group, kind, func(m *member) bool { return d.exchange(ctx, m, 4*wait) })
		return false
	case killBroker:
		return d.killBroker(ctx, wait)
	case cutConnections:
		d.broker.Cut()
		return true
	case freeze:
		answersOnly := d.rng.IntN(2) == 0
		d.background.Go(func() { d.broker.Freeze(4*wait, answersOnly, ctx.Done()) })
		return true
	default:
		longest := webhookAway
		if group == "command" {
			longest = commandAway
		}
		lasts, silent := longest/3+time.Duration(d.rng.Int64N(int64(longest*2/3))), d.rng.IntN(2) == 0
		d.background.Go(func() { d.away(ctx, group, lasts, silent) })
		return false
	}
}

// kill kills a process at a random moment, in most cases after it has delivered something, and while it delivers if it does so
// soon.
func (d *triggerDisturber) kill(ctx context.Context, m *member, wait time.Duration, atOnce bool) bool {
	const soon = 12 * time.Second
	served := func() (all, open int) { return d.receiver.Served(m.Key()) }
	if !atOnce {
		await(ctx, soon, func() bool { all, _ := served(); return all > 0 })
		pause(ctx, wait)
		await(ctx, 2*time.Second, func() bool { _, open := served(); return open > 0 })
	}
	if d.isStill(m) {
		m = d.present(m.group)[0]
	}
	_, open := served()
	killed := await(ctx, 3*time.Second, m.Kill) // the instance may have no process at the moment
	if killed && open > 0 {
		d.busyKills++
	}
	return killed
}

// awaitBegun waits until the process of a member has begun. Before that it does not know SIGTERM, which ends it then.
func awaitBegun(ctx context.Context, m *member) {
	const young = 2 * time.Second
	await(ctx, 2*young, func() bool { return time.Since(m.Started()) > young })
}

// takeOut does something to a member of a group that takes it out of the group for a while. Only one at a time is out, so that
// others are left. It waits for that, and counts what succeeds, in the background.
func (d *triggerDisturber) takeOut(ctx context.Context, group string, kind disturbance, f func(m *member) bool) {
	n := d.rng.Int()
	d.background.Go(func() {
		select {
		case d.outside[group] <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-d.outside[group] }()
		all := d.present(group)
		if f(all[n%len(all)]) {
			d.counts.add(kind)
		}
	})
}

// exchange lets a member leave, and then another one join.
func (d *triggerDisturber) exchange(ctx context.Context, m *member, between time.Duration) bool {
	d.leave(ctx, m)
	pause(ctx, between)
	if err := d.join(m.group); err != nil {
		fmt.Fprintf(d.out, "no new instance in the group %s: %v\n", m.group, err)
		return false
	}
	return true
}

// killBroker kills the broker and starts it again. Meanwhile nothing is written.
func (d *triggerDisturber) killBroker(ctx context.Context, down time.Duration) bool {
	d.source.writing.Lock()
	defer d.source.writing.Unlock()
	if err := d.kafka.Kill(0); err != nil {
		return false
	}
	d.broker.Cut()
	pause(ctx, down)
	if err := d.kafka.Restart(context.WithoutCancel(ctx), 0); err != nil {
		fmt.Fprintf(d.out, "the broker was not started again: %v\n", err)
	}
	return true
}

// away lets nobody reach the receiver for a time, or lets nothing of what they send arrive. Only one at a time does for a group.
func (d *triggerDisturber) away(ctx context.Context, group string, lasts time.Duration, silent bool) {
	select {
	case d.gone[group] <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-d.gone[group] }()
	gate := d.gates[group]
	if silent {
		gate.Freeze(lasts, false, ctx.Done())
	} else {
		gate.Refuse()
		gate.Cut()
		pause(ctx, lasts)
		if err := gate.Admit(); err != nil {
			fmt.Fprintf(d.out, "the receiver does not come back: %v\n", err)
		}
	}
	d.counts.add(away)
}
