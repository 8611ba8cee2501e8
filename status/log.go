package status

import (
	"context"

	"go.uber.org/zap"
)

// Log logs what keeps the instance from being ready, what is late or fails, and when that has passed, until ctx ends. It is told
// once when it appears, and not again while only its numbers change.
func Log[F facts](ctx context.Context, report func() F, log *zap.Logger) {
	Follow(ctx, report, func(c Change) {
		switch {
		case c.Cause == (Cause{}) && c.Ready:
			log.Info("the instance is ready")
		case c.Cause == (Cause{}):
			log.Info("the instance is not ready any more")
		case c.Gone:
			log.Info("this has passed: "+c.Cause.Text, zap.Bool("ready", c.Ready))
		case c.Cause.Severity == Unready:
			log.Warn("not ready: " + c.Cause.Text)
		default:
			log.Warn(c.Cause.Text, zap.Bool("ready", c.Ready))
		}
	})
}
