package poller

import "farmwire/diff"

// handedOut is how many observations wait in the channel, so that whoever comes late finds many at once.
const handedOut = 512

// outbox hands a shard's observations to whoever works on the shard, in order, without ever
// holding up the loop. What waits is bounded by the shard's workers, as each has one
// observation at most that is not committed.
type outbox struct {
	in   chan diff.Observation
	out  chan diff.Observation
	stop chan struct{}
}

func newOutbox() *outbox {
	return &outbox{in: make(chan diff.Observation), out: make(chan diff.Observation, handedOut), stop: make(chan struct{})}
}

// run works until stop is closed, and then closes out.
func (o *outbox) run() {
	defer close(o.out)
	var waiting []diff.Observation
	for {
		var out chan diff.Observation
		var first diff.Observation
		if len(waiting) > 0 {
			out, first = o.out, waiting[0]
		}
		select {
		case <-o.stop:
			return
		case observation := <-o.in:
			waiting = append(waiting, observation)
		case out <- first:
			waiting[0] = diff.Observation{}
			waiting = waiting[1:]
		}
	}
}
