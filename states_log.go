package farmwire

import (
	"context"

	"go.uber.org/zap"

	"farmwire/status"
)

// logStatus logs what keeps the instance from being ready, what is late or fails, and when that has passed. It is told once
// when it appears, and not again while only its numbers change. During a stop, which the end of ctx begins, everything comes to
// an end, and nothing is logged. logStatus returns at the end of running, because the stop ends with the actor that first returns.
func (i *instance) logStatus(ctx, running context.Context) error {
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(running, cancel)()
	status.Follow(following, i.report, func(c status.Change) {
		switch {
		case c.Cause == (status.Cause{}) && c.Ready:
			i.log.Info("the instance is ready")
		case c.Cause == (status.Cause{}):
			i.log.Info("the instance is not ready any more")
		case c.Gone:
			i.log.Info("this has passed: "+c.Cause.Text, zap.Bool("ready", c.Ready))
		case c.Cause.Severity == status.Unready:
			i.log.Warn("not ready: " + c.Cause.Text)
		default:
			i.log.Warn(c.Cause.Text, zap.Bool("ready", c.Ready))
		}
	})
	<-running.Done()
	return running.Err()
}
