package poller

import (
	"context"

	"farmwire/diff"
)

// outboxSize is how many observations wait in the channel. A receiver that was busy finds them all at once, and
// can publish them in one transaction.
const outboxSize = 512

// outbox passes a shard's observations to the receiver of Poller.Own's channel, in order, without ever
// blocking the loop. A worker has at most one observation that is not committed, so there are never more
// observations in the outbox than the shard has workers.
type outbox struct {
	in   chan diff.Observation // for the loop, see put
	out  chan diff.Observation // the channel that Poller.Own returns
	stop chan struct{}         // closed by the loop when nothing more comes
}

func newOutbox() *outbox {
	return &outbox{in: make(chan diff.Observation), out: make(chan diff.Observation, outboxSize), stop: make(chan struct{})}
}

// put puts an observation into the outbox. It must not be called after stop was closed. It does nothing if ctx, which is the
// context of run, has ended.
func (o *outbox) put(ctx context.Context, observation diff.Observation) {
	select {
	case o.in <- observation:
	case <-ctx.Done():
	}
}

// run passes observations on until stop is closed and all were received, or until ctx ends. Then it closes out.
func (o *outbox) run(ctx context.Context) {
	defer close(o.out)
	var waiting []diff.Observation
	stop := o.stop
	for stop != nil || len(waiting) > 0 {
		var out chan diff.Observation
		var first diff.Observation
		if len(waiting) > 0 {
			out, first = o.out, waiting[0]
		}
		select {
		case <-ctx.Done():
			return
		case <-stop:
			stop = nil
		case observation := <-o.in:
			waiting = append(waiting, observation)
		case out <- first:
			waiting[0] = diff.Observation{}
			waiting = waiting[1:]
		}
	}
}
