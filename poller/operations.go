package poller

import (
	"maps"
	"sync"
)

// operations counts the attempts of every API operation for State.
type operations struct {
	mu    sync.Mutex
	named map[string]Operation
}

// note counts an attempt. The reason of one that was answered is empty.
func (o *operations) note(operation string, reason Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.named == nil {
		o.named = make(map[string]Operation)
	}
	counts := o.named[operation]
	if reason == "" {
		counts.Answered++
	} else {
		if counts.Failed == nil {
			counts.Failed = make(map[Reason]uint64)
		}
		counts.Failed[reason]++
	}
	o.named[operation] = counts
}

// all returns the counts so far.
func (o *operations) all() map[string]Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make(map[string]Operation, len(o.named))
	for name, counts := range o.named {
		counts.Failed = maps.Clone(counts.Failed)
		all[name] = counts
	}
	return all
}
