package poller

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"farmwire/poller/schedule"
)

// operations counts the attempts of every API operation for State, and knows which operations give no usable answer.
type operations struct {
	mu      sync.Mutex
	byKind  map[schedule.Kind]Operation
	failing map[schedule.Kind]failing
	recent  recentAttempts
}

// failing is since when an operation has given no usable answer, and why the last attempt failed.
type failing struct {
	since  time.Time
	reason schedule.Reason
	spread bool // it has failed for something that did not fail before
}

// note counts an attempt. The reason is empty if it succeeded.
func (o *operations) note(kind schedule.Kind, reason schedule.Reason, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byKind == nil {
		o.byKind = make(map[schedule.Kind]Operation)
	}
	counts := o.byKind[kind]
	if reason == "" {
		counts.Answered++
	} else {
		if counts.Failed == nil {
			counts.Failed = make(map[schedule.Reason]uint64)
		}
		counts.Failed[reason]++
	}
	o.byKind[kind] = counts
	o.recent.add(reason == schedule.Throttled, now)
}

// judge takes in whether an attempt gave a usable answer. The reason is empty if it did. That a farm, worker or session does
// not exist is a usable answer, too, except to ListFarms, which names none. Sent is when the request was sent. FailedBefore
// says that the last request for the same list, worker or session failed, too.
func (o *operations) judge(kind schedule.Kind, reason schedule.Reason, sent time.Time, failedBefore bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if reason == "" || reason == schedule.ResourceNotFound && kind != schedule.ListFarms {
		delete(o.failing, kind)
		return
	}
	if o.failing == nil {
		o.failing = make(map[schedule.Kind]failing)
	}
	f, ok := o.failing[kind]
	if !ok {
		f.since = sent
	}
	f.reason, f.spread = reason, f.spread || !failedBefore
	o.failing[kind] = f
}

// restart forgets which operations failed, because no request was sent for a while.
func (o *operations) restart() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.failing)
}

// outages returns the operations that give no usable answer, by their names. If an operation has only failed for a list or a
// worker for which it failed before, the others may just not be due yet. That is an outage only after patience.
func (o *operations) outages(now time.Time, patience time.Duration) []Outage {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []Outage
	for kind, f := range o.failing {
		if f.spread || now.Sub(f.since) > patience {
			all = append(all, Outage{Operation: kind.Operation(), For: now.Sub(f.since), Reason: f.reason})
		}
	}
	slices.SortFunc(all, func(a, b Outage) int { return strings.Compare(a.Operation, b.Operation) })
	return all
}

// throttledRatio returns which part of the attempts in the last minutes was throttled.
func (o *operations) throttledRatio(now time.Time) float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.recent.throttledRatio(now)
}

// all returns the counts so far.
func (o *operations) all() map[string]Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[string]Operation, len(o.byKind))
	for kind, counts := range o.byKind {
		counts.Failed = maps.Clone(counts.Failed)
		all[kind.Operation()] = counts
	}
	return all
}

// recentAttempts counts the attempts of the last five minutes, in parts of half a minute.
type recentAttempts [10]struct {
	part                int64 // number of the half minute since 1970
	attempts, throttled int
}

const partOfRecent = 30 // seconds

func (r *recentAttempts) add(throttled bool, now time.Time) {
	number := now.Unix() / partOfRecent
	part := &r[number%int64(len(r))]
	if part.part != number {
		part.part, part.attempts, part.throttled = number, 0, 0
	}
	part.attempts++
	if throttled {
		part.throttled++
	}
}

func (r *recentAttempts) throttledRatio(now time.Time) float64 {
	attempts, throttled := 0, 0
	for _, part := range r {
		if now.Unix()/partOfRecent-part.part < int64(len(r)) {
			attempts += part.attempts
			throttled += part.throttled
		}
	}
	return float64(throttled) / float64(cmp.Or(attempts, 1))
}
