package trigger

import (
	"time"

	"go.uber.org/zap"
)

// If nothing was delivered for longSilence, and then something is, the events that wait for the target are all due.
const longSilence = time.Minute

// try delivers an event once, in the background.
func (l *loop) try(i *item, now time.Time) {
	if i.last = now; i.tries == 0 {
		i.first = now
	} else {
		l.metrics.retries.Inc()
	}
	i.tries++
	d := Delivery{Record: i.record.Record, Event: i.event, Attempt: i.tries}
	l.tries.Go(func() {
		r := l.config.Target.Deliver(l.trying, d)
		l.do(func() { l.tried(i, r) })
	})
}

// tried takes in what came of a try.
func (l *loop) tried(i *item, r Result) {
	now := time.Now()
	took := now.Sub(i.last)
	l.metrics.took.Observe(took.Seconds())
	log := l.log.With(zap.String("id", i.event.ID), zap.Int("try", i.tries), zap.Duration("took", took.Round(time.Millisecond)))
	if r.Outcome != Delivered && l.trying.Err() != nil {
		log.Info("a try was broken off", zap.String("reason", r.Reason)) // by us, so it says nothing of the target
		l.endOf(i)
		l.again(i, 0)
		return
	}
	i.result = r
	switch r.Outcome {
	case Delivered:
		log.Info("event delivered")
		l.endOf(i)
		l.accepted(i, now)
	case Unavailable:
		log.Debug("target unavailable", zap.String("reason", r.Reason))
		if l.reason = r.Reason; l.unavailable.IsZero() {
			l.unavailable = now
		}
		l.endOf(i)
		l.again(i, r.RetryAfter)
	case Refused:
		i.attempts++
		log.Warn("event refused", zap.String("reason", r.Reason), zap.Int("attempts", i.attempts), zap.Int("of", l.config.Attempts))
		l.refused(i)
	case Impossible:
		l.stop(stopped(TargetImpossible, "%s cannot take any event: %s", l.config.Target, r.Reason))
		l.endOf(i)
		l.again(i, 0)
	}
}

// accepted takes in that the target has taken an event.
func (l *loop) accepted(i *item, now time.Time) {
	l.metrics.delivered.Inc()
	l.finish(i)
	if !l.unavailable.IsZero() && now.Sub(l.lastSuccess()) > longSilence {
		l.queue.hasten(now)
	}
	l.delivered, l.unavailable, l.deadInRow = now, time.Time{}, 0
}

// lastSuccess returns when an event was delivered last, or when the session began.
func (l *loop) lastSuccess() time.Time {
	if l.delivered.IsZero() {
		return l.begun
	}
	return l.delivered
}

// refused takes in that the target has refused an event. If it has done so as often as it may, the event goes to the dead-letter
// topic. Too many such events in a row mean that the target is wrong and not the events, so the trigger stops.
func (l *loop) refused(i *item) {
	switch {
	case i.attempts < l.config.Attempts, i.partition.gone:
		l.endOf(i)
		l.again(i, i.result.RetryAfter)
	case l.deadInRow >= l.config.DeadLetterLimit:
		l.stop(stopped(TooManyRefused, "%d events in a row were given up, and the next one would be too (%s); it is not lost and comes again",
			l.deadInRow, i.result.Reason))
		l.endOf(i)
		l.again(i, 0)
	default:
		l.deadInRow++
		i.dead, i.failures = refusedForGood, 0 // the copy has pauses of its own
		l.bury(i)
	}
}

// endOf takes in that a try or a copy to the dead-letter topic has ended.
func (l *loop) endOf(i *item) {
	l.queue.ended(i)
	p := i.partition
	if p.running--; p.running == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// again lets an event wait for its next try, for a time at least. If the group has taken its partition away, the event is
// dropped: another instance has it.
func (l *loop) again(i *item, least time.Duration) {
	if i.partition.leaving {
		l.queue.done(i)
		return
	}
	i.failures++
	l.queue.wait(i, time.Now().Add(max(pause(i.failures), least)))
}

// finish takes in that an event is done.
func (l *loop) finish(i *item) {
	l.queue.done(i)
	i.partition.done(i.record.Offset)
}
