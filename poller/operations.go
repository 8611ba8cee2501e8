package poller

import (
	"maps"
	"sync"
)

// operations counts the attempts of every API operation for State.
type operations struct {
	mu     sync.Mutex
	byName map[string]Operation
}

// note counts an attempt. The reason is empty if it succeeded.
func (o *operations) note(operation string, reason Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = make(map[string]Operation)
	}
	counts := o.byName[operation]
	if reason == "" {
		counts.Answered++
	} else {
		if counts.Failed == nil {
			counts.Failed = make(map[Reason]uint64)
		}
		counts.Failed[reason]++
	}
	o.byName[operation] = counts
}

// all returns the counts so far.
func (o *operations) all() map[string]Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[string]Operation, len(o.byName))
	for name, counts := range o.byName {
		counts.Failed = maps.Clone(counts.Failed)
		all[name] = counts
	}
	return all
}
