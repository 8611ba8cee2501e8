package poller

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

// firstAnswerEvery is the least time between two requests of askUntilAnswered.
const firstAnswerEvery = time.Second

// askUntilAnswered sends the first request of discovery again and again until there is a usable answer. The
// loop calls it while no shard is owned. It returns when to call it again; zero means after the next command
// or result.
//
// After the first answer an instance without a shard sends nothing, because the API budget belongs to the
// instances that own shards. Until then it uses as much of the budget as one shard has.
func (l *loop) askUntilAnswered(now time.Time) (wake time.Time) {
	if l.service.hasAnswered() {
		return time.Time{}
	}
	l.service.budget.setShare(1, l.poller.config.Shards, now)
	earliest := l.startTimes(now)
	target, wake := l.schedule.discovery.next(&earliest)
	if target == nil || l.inFlight != [callKinds]int{} {
		return time.Time{}
	}
	if wake = latest(wake, l.lastAsked.Add(firstAnswerEvery)); wake.After(now) {
		return wake
	}
	l.lastAsked = now
	l.service.budget.spend(target.kind().operation(), now)
	l.start(call{kind: target.kind(), target: target.discoveryTarget, oneRequest: true})
	return time.Time{}
}

// finishFirstRequest takes in how a request of askUntilAnswered ended.
func (l *loop) finishFirstRequest(r result) {
	if r.err == nil || errors.Is(r.err, errOneRequest) || isCancelled(r.err) {
		return
	}
	if reasonOf(r.err) != l.lastFailure {
		l.log.Warn("Deadline Cloud has not answered yet; it is asked again", zap.String("operation", r.call.kind.operation()), zap.Error(r.err))
	}
}
