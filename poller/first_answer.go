package poller

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

const probeEvery = time.Second

// probe sends the first request of discovery while this instance owns no shard and the service
// has never answered, at most once a second. After the first answer an instance without a shard
// sends nothing, because the API budget belongs to the instances that own shards. Until then the
// probe uses as much of the budget as one shard has.
func (l *loop) probe(now time.Time) (wake time.Time) {
	if l.service.hasAnswered() {
		return time.Time{}
	}
	l.service.budget.share(1, l.poller.config.Shards, now)
	open := l.gates(now)
	search, wake := l.schedule.rounds.next(&open)
	if search == nil || l.inFlight != [kinds]int{} {
		return time.Time{} // until a call ends, which wakes the loop
	}
	if wake = latest(wake, l.probed.Add(probeEvery)); wake.After(now) {
		return wake
	}
	l.probed = now
	l.service.budget.spend(search.kind().operation(), now)
	l.start(call{kind: search.kind(), target: search.target, probe: true})
	return time.Time{}
}

// probeEnded takes in what came of probe's request.
func (l *loop) probeEnded(r result) {
	if r.err == nil || errors.Is(r.err, errProbed) || cancelled(r.err) {
		return
	}
	if reasonOf(r.err) != l.refusal {
		l.log.Warn("Deadline Cloud has not answered yet; it is asked again", zap.String("operation", r.call.kind.operation()), zap.Error(r.err))
	}
}
