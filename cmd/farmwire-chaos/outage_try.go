package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
)

// owners are the instances that own shards at present, as far as the logs tell.
func (o *outages) owners() []*instance.Instance {
	var owners []*instance.Instance
	for _, i := range o.instances {
		if len(o.shards.Of(i.Number)) > 0 {
			owners = append(owners, i)
		}
	}
	return owners
}

// try takes something away, looks at what farmwire says and does, stops an instance meanwhile, and gives it back.
func (o *outages) try(ctx context.Context, one outage) row {
	r := row{name: one.name}
	if problem := o.awaitAllReady(ctx, readyWithin); problem != "" {
		r.fail("before: %s", problem)
	}
	concerned := o.owners
	if one.standby {
		concerned = func() []*instance.Instance { return o.instances }
	}
	if !o.awaitQuiet(ctx, concerned, one.named) {
		r.fail("an instance names the cause before it is there")
	}
	atFirst := concerned()
	over := o.log.begin(disturbance(one.name), "")
	taken := time.Now()
	r.at = taken
	giveBack, err := one.take(o)
	if err != nil {
		r.fail("take away: %v", err)
	}
	due := o.during(ctx, one, concerned, taken, &r)
	given := time.Now()
	if err := giveBack(context.WithoutCancel(ctx)); err != nil {
		r.fail("give back: %v", err)
	}
	back := time.Now()
	r.took = given.Sub(taken)
	if problem := o.resume(ctx, due); problem != "" {
		r.fail("afterwards: %s", problem)
	} else {
		r.resumed = time.Since(back)
	}
	over(brokerRecovery)
	if one.afterwards != nil {
		awaitWarnings(ctx, atFirst, taken, given, one.afterwards, &r)
	}
	if problem := o.resume(ctx, o.canaries.change()); problem != "" {
		r.fail("later: %s", problem)
	}
	return r
}

// awaitWarnings waits until the instances whose processes have run since the taking have warned since the giving back. There
// must be at least one.
func awaitWarnings(ctx context.Context, instances []*instance.Instance, taken, given time.Time, words *regexp.Regexp, r *row) {
	stayed := slices.DeleteFunc(slices.Clone(instances), func(i *instance.Instance) bool { return !i.Started().Before(taken) })
	if !awaitAll(ctx, nameWithin, func() []*instance.Instance { return stayed }, func(i *instance.Instance) bool { return warned(i, given, words) }) {
		r.fail("not each of the %d instances that were not stopped meanwhile has warned afterwards", len(stayed))
	}
}

// awaitQuiet waits until no instance names a cause any more, of an outage before. It returns false if one goes on.
func (o *outages) awaitQuiet(ctx context.Context, concerned func() []*instance.Instance, named *regexp.Regexp) bool {
	return named == nil || awaitAll(ctx, readyWithin, concerned, func(i *instance.Instance) bool { return !readyzNames(ctx, i, named) })
}

// awaitAll polls until something is true of all instances at once. It returns false if that is not so within d.
func awaitAll(ctx context.Context, d time.Duration, concerned func() []*instance.Instance, is func(*instance.Instance) bool) bool {
	return await(ctx, d, func() bool {
		pause(ctx, 100*time.Millisecond)
		return all(concerned(), is)
	})
}

// all reports whether something is true of all instances. Of none, nothing is true: a look at nobody must not count as good.
func all(instances []*instance.Instance, is func(*instance.Instance) bool) bool {
	return len(instances) > 0 && !slices.ContainsFunc(instances, func(i *instance.Instance) bool { return !is(i) })
}

// during does what is done while something is away. It returns what must be published when it is back.
func (o *outages) during(ctx context.Context, one outage, concerned func() []*instance.Instance, taken time.Time, r *row) []published {
	full := grown(func(i *instance.Instance) float64 { return i.Metric(ctx, one.full) }, concerned())
	pause(ctx, 2*time.Second) // so that what was being sent has arrived, and the changes come after it
	if one.full != "" && !awaitAll(ctx, fullWithin, concerned, full) {
		r.fail("%s has not begun to grow within %s", one.full, fullWithin)
	}
	due := o.canaries.change()
	if one.named != nil {
		counts := taken
		if one.counts != nil {
			counts = one.counts(o)
		}
		r.readyz, r.log = o.awaitNames(ctx, concerned, taken, counts, one.named)
		if r.readyz < 0 || r.log < 0 {
			r.fail("not named by every instance that it concerns: %s", silentOnes(ctx, concerned, taken, one.named))
		}
	}
	if one.goesOn > 0 && !await(ctx, one.goesOn, func() bool { return o.follower.missing(due) == 0 }) {
		r.fail("%d of %d changes were not published within %s", o.follower.missing(due), len(due), one.goesOn)
	}
	pause(ctx, time.Until(taken.Add(lasts)))
	o.restart(ctx, one, r)
	return due
}

// grown returns a function that reports whether the metric of an instance is greater than it is now.
func grown(metric func(*instance.Instance) float64, instances []*instance.Instance) func(*instance.Instance) bool {
	before := map[*instance.Instance]float64{}
	for _, i := range instances {
		before[i] = metric(i)
	}
	return func(i *instance.Instance) bool { return metric(i) > before[i] }
}

// never is instead of a time after which something happened, if it did not.
const never = -1

// awaitNames waits until all instances name the cause, and returns after which times they did, in /readyz and in the log.
func (o *outages) awaitNames(ctx context.Context, concerned func() []*instance.Instance, taken, counts time.Time, named *regexp.Regexp) (readyz, log time.Duration) {
	readyz, log = never, never
	await(ctx, nameWithin+time.Until(counts), func() bool {
		after := max(time.Since(counts), time.Nanosecond)
		if readyz < 0 && all(concerned(), func(i *instance.Instance) bool { return readyzNames(ctx, i, named) }) {
			readyz = after
		}
		if log < 0 && all(concerned(), func(i *instance.Instance) bool { return warned(i, taken, named) }) {
			log = after
		}
		pause(ctx, 200*time.Millisecond)
		return readyz >= 0 && log >= 0
	})
	return readyz, log
}

func readyzNames(ctx context.Context, i *instance.Instance, named *regexp.Regexp) bool {
	return namesIn(i.Readyz(ctx), named)
}

// warned reports whether the log has had a warning with the words since a time.
func warned(i *instance.Instance, since time.Time, named *regexp.Regexp) bool {
	for _, line := range i.Warnings(since) {
		if namesIn(line.Text, named) {
			return true
		}
	}
	return false
}

// silentOnes tells what the instances that do not name the cause say instead.
func silentOnes(ctx context.Context, concerned func() []*instance.Instance, taken time.Time, named *regexp.Regexp) string {
	var parts []string
	for _, i := range concerned() {
		if ready, text := i.Ready(ctx); !readyzNames(ctx, i, named) {
			parts = append(parts, fmt.Sprintf("instance %d, /readyz, %t: %s", i.Number, ready, short(text)))
		}
		if !warned(i, taken, named) {
			last := "nothing"
			if all := i.Warnings(taken); len(all) > 0 {
				last = all[len(all)-1].Text
			}
			parts = append(parts, fmt.Sprintf("instance %d, last warning: %s", i.Number, short(last)))
		}
	}
	return strings.Join(parts, "; ")
}

// restart stops an instance gracefully in the middle of an outage, and another process follows. Of the last instance the
// process never changes, so that its memory can be watched.
func (o *outages) restart(ctx context.Context, one outage, r *row) {
	i := o.instances[o.restarted%(len(o.instances)-1)]
	o.restarted++
	asked := time.Now()
	stop, stopped := stopProcess(ctx, i)
	switch r.stop = stop; {
	case !stopped:
		r.fail("instance %d has no process that stops", i.Number)
		return
	case stop.Code != 0 || stop.Took > stopWithin:
		r.fail("instance %d stopped with exit code %d after %s", i.Number, stop.Code, rounded(stop.Took))
	}
	if one.atStart == nil {
		return
	}
	if !await(ctx, patience, func() bool { return i.Started().After(asked) }) {
		r.fail("instance %d was not started again", i.Number)
		return
	}
	// What the old process said on its way out does not count.
	alone, started := func() []*instance.Instance { return []*instance.Instance{i} }, i.Started()
	readyz, log := o.awaitNames(ctx, alone, started, started, one.atStart)
	if readyz < 0 || log < 0 {
		r.fail("not named by an instance that was started meanwhile: %s", silentOnes(ctx, alone, started, one.atStart))
	}
}

// patience is how long a process may take to end or to start before something is wrong with it.
const patience = 15 * time.Second

// stopProcess asks the process of an instance to stop, and kills it if it does not. It returns false if no end was seen.
func stopProcess(ctx context.Context, i *instance.Instance) (instance.Stop, bool) {
	before := len(i.Stops())
	stopped := func() bool { return len(i.Stops()) > before }
	i.Restart()
	if !await(ctx, patience, stopped) {
		i.Kill()
		await(ctx, patience, stopped)
	}
	if !stopped() {
		return instance.Stop{}, false
	}
	return i.Stops()[before], true
}

// resume waits until changes are published and all instances are ready. It returns what is missing, or "".
func (o *outages) resume(ctx context.Context, due []published) string {
	begun := time.Now()
	if !await(ctx, publishWithin, func() bool { return o.follower.missing(due) == 0 }) {
		return fmt.Sprintf("%d of %d changes were not published within %s", o.follower.missing(due), len(due), publishWithin)
	}
	return o.awaitAllReady(ctx, readyWithin-time.Since(begun))
}

// awaitAllReady waits until all instances are ready. It returns what is missing, or "".
func (o *outages) awaitAllReady(ctx context.Context, within time.Duration) (problem string) {
	await(ctx, within, func() bool {
		for _, i := range o.instances {
			if ready, text := i.Ready(ctx); !ready {
				problem = fmt.Sprintf("instance %d is not ready: %s", i.Number, short(text))
				pause(ctx, 100*time.Millisecond)
				return false
			}
		}
		problem = ""
		return true
	})
	return problem
}

// short is the beginning of a text, in one line.
func short(text string) string {
	const most = 300
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", " | ")
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
