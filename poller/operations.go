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
	switch reason {
	case "":
		counts.Answered++
	case ReasonDenied, ReasonCredentials, ReasonNotFound, ReasonRefused:
		counts.Refused++
	default:
		counts.Failed++
	}
	if reason != "" {
		counts.Reason = reason
	}
	o.named[operation] = counts
}

// all returns the counts so far.
func (o *operations) all() map[string]Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.named)
}
