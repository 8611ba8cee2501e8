package farmwire

import (
	"context"
	"time"

	"go.uber.org/zap"

	"farmwire/publisher"
)

const (
	firstRetry  = 500 * time.Millisecond // the pause after the first failure, doubled after each further one
	longestWait = 10 * time.Second
	readTimeout = 30 * time.Second // of a request that is only repeated when it has failed as a whole
)

// keepTrying calls try until it succeeds, with pauses. So an instance that is started before Kafka waits for Kafka, as it
// does in a later outage. The log and the field waiting say why. keepTrying returns an error if ctx ends, or if trying again
// does not help.
func (i *instance) keepTrying(ctx context.Context, try func(context.Context) error) error {
	defer i.waiting.Store(nil)
	var trials publisher.Trials
	failed := false
	for pause := firstRetry; ; pause = min(2*pause, longestWait) {
		err := try(ctx)
		switch {
		case err == nil:
			if failed {
				i.log.Info("Kafka can be used now")
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case trials.IsFinal(err):
			return err
		}
		i.waiting.Store(&err)
		failed = true
		if trials.IsNews(err) {
			i.log.Warn("Kafka cannot be used yet; trying again", zap.Error(err))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
