package main

import (
	"context"
	"sync"
	"time"

	"farmwire/poller/farmtest"
)

// The disturbances of this file last so long that a gap must be published.

// gapLasts is how long something fails that must be a gap: the check demands one after a minute and --gap-after, and requests
// about what fails are rare.
func (d *disturber) gapLasts() time.Duration { return d.gapAfter + 90*time.Second }

// failRequests makes requests fail as the rules say, in the background.
func (d *disturber) failRequests(ctx context.Context, kind disturbance, rules ...farmtest.Fault) {
	over := d.log.begin(kind, "")
	remove := d.farm.AddFaults(rules...)
	d.background.Go(func() {
		pause(ctx, d.gapLasts())
		remove()
		over(connectionRecovery)
		d.counts.add(kind)
	})
}

// failAPI makes all requests fail: half of the times with an error, and otherwise they are never answered.
func (d *disturber) failAPI(ctx context.Context) {
	how := farmtest.ServerError
	if d.counts.of(failAPI)%2 == 1 {
		how = farmtest.Hang
	}
	d.failRequests(ctx, failAPI, farmtest.Fault{Kind: how})
}

// denyFleet denies everything about a fleet.
func (d *disturber) denyFleet(ctx context.Context) {
	fleet := farmtest.FleetName(d.rng.IntN(farmFleets))
	d.failRequests(ctx, denyFleet, farmtest.Fault{Kind: farmtest.Denied, Fleet: fleet})
}

// hangingWorkers is how many workers hang at a time.
const hangingWorkers = 4

// hangWorkers adds workers whose listings are never answered. Then each begins a session, and is deleted with it, so that no
// complete listing shows it.
func (d *disturber) hangWorkers(ctx context.Context) {
	fleet := d.farm.Cloud().AddFarm("hanging").AddFleet("hanging")
	over := d.log.begin(hangWorkers, "")
	remove := d.farm.AddFaults(farmtest.Fault{Kind: farmtest.Hang, Operation: farmtest.ListSessionsForWorker, Fleet: fleet.ID()})
	var workers []*farmtest.Worker
	for range hangingWorkers {
		workers = append(workers, fleet.AddWorker())
	}
	d.background.Go(func() {
		pause(ctx, d.gapLasts()/2)
		for _, w := range workers {
			w.StartSession(nil)
		}
		pause(ctx, d.gapLasts()/2)
		for _, w := range workers {
			w.Delete()
		}
		remove()
		over(connectionRecovery)
		d.counts.add(hangWorkers)
	})
}

// freezeKafka lets nothing pass between the instances and all brokers, for longer than --gap-after.
func (d *disturber) freezeKafka(ctx context.Context) bool {
	const longer = 10 * time.Second
	over := d.log.begin(freezeKafka, "")
	var frozen sync.WaitGroup
	for _, p := range d.brokers {
		frozen.Go(func() { p.Freeze(d.gapAfter+longer, false, ctx.Done()) })
	}
	frozen.Wait()
	over(brokerRecovery)
	return true
}

// absent is how long no instance runs. That the last answer is stored may be 15 s ago, and such a time is no gap.
const absent = 25 * time.Second

// stopAll stops all instances at the same time, and kills them when none has run for a while.
func (d *disturber) stopAll(ctx context.Context) bool {
	for _, i := range d.instances {
		if !i.Pause() {
			for _, i := range d.instances {
				i.Resume()
			}
			return false
		}
	}
	over := d.log.begin(stopAll, "")
	pause(ctx, absent)
	over(0)
	for _, i := range d.instances {
		i.Kill()
	}
	return true
}
