package poller

import "farmwire/diff"

// outboxSize is how many observations wait in the channel. A receiver that was busy finds them all at once, and
// can publish them in one transaction.
const outboxSize = 512

// outbox passes a shard's observations to the receiver of Poller.Own's channel, in order, without ever
// blocking the loop. A worker has at most one observation that is not committed, so there are never more
// observations in the outbox than the shard has workers.
type outbox struct {
	in   chan diff.Observation // for the loop; always received from until stop is closed
	out  chan diff.Observation // the channel that Poller.Own returns
	stop chan struct{}         // closed by the loop
}

func newOutbox() *outbox {
	return &outbox{in: make(chan diff.Observation), out: make(chan diff.Observation, outboxSize), stop: make(chan struct{})}
}

// run passes observations on until stop is closed. Then it closes out.
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
