package poller

import (
	"errors"
	"time"

	"go.uber.org/zap"
)

// firstAnswerEvery is the least time between two calls of askUntilFarmShown before there was a usable answer.
const firstAnswerEvery = time.Second

// askUntilFarmShown begins the first call of discovery again and again until a usable answer shows a farm. The
// loop calls it while no shard is owned. It returns when to call it again; zero means after the next command
// or result.
//
// After that an instance without a shard sends nothing, because the API budget belongs to the instances that own
// shards. Until then it uses at most as much of the budget as one shard has. As soon as it is answered that there
// is no farm, it asks only as often as discovery does.
func (l *loop) askUntilFarmShown(now time.Time) (wake time.Time) {
	if l.service.hasShownFarm() {
		return time.Time{}
	}
	l.service.budget.setShare(1, l.poller.config.Shards, now)
	earliest := l.startTimes(now)
	target, wake := l.schedule.discovery.next(&earliest)
	if target == nil || l.inFlight != [callKinds]int{} {
		return time.Time{}
	}
	pause := firstAnswerEvery
	if l.service.answered.Load() {
		pause = max(pause, l.poller.config.Discovery)
	}
	if wake = latest(wake, l.lastAsked.Add(pause)); wake.After(now) {
		return wake
	}
	l.lastAsked = now
	l.service.budget.spend(target.kind().operation(), now)
	l.start(call{kind: target.kind(), target: target.discoveryTarget, untilFarmShown: true})
	return time.Time{}
}

// finishFirstCall takes in how a call of askUntilFarmShown ended. Each reason of a failure is logged once.
func (l *loop) finishFirstCall(r result) {
	if r.err == nil || errors.Is(r.err, errFarmShown) || isCancelled(r.err) || l.firstFailures[reasonOf(r.err)] {
		return
	}
	l.firstFailures[reasonOf(r.err)] = true
	l.log.Warn("Deadline Cloud has not answered yet; it is asked again", zap.String("operation", r.call.kind.operation()), zap.Error(r.err))
}
