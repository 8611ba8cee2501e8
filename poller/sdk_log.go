package poller

import (
	"fmt"
	"regexp"
	"time"

	"farmwire/poller/awserr"

	"github.com/aws/smithy-go/logging"
	"go.uber.org/zap"
)

// sdkLogger writes what the AWS SDK logs to a zap.Logger: warnings as warnings, all else at debug.
//
// The SDK logs header values, URLs, profile names and, if that is configured, whole requests. Any of them may
// hold a secret. So only the text of its format strings, numbers and times are kept, and errors are
// described by package awserr.
type sdkLogger struct {
	log *zap.Logger
}

// Logf is called by the SDK.
func (l sdkLogger) Logf(classification logging.Classification, format string, args ...any) {
	text := scrubbed(format, args)
	if classification == logging.Warn {
		l.log.Warn("the AWS SDK warns", zap.String("text", text))
		return
	}
	l.log.Debug("the AWS SDK logs", zap.String("text", text))
}

// scrubbed formats a message of the SDK without what may be a secret.
func scrubbed(format string, args []any) string {
	if len(args) == 0 {
		// The values are already part of the text, each after a colon.
		return regexp.MustCompile(`^[A-Za-z ,-]{0,80}`).FindString(format)
	}
	safe := make([]any, len(args))
	for i, arg := range args {
		switch arg := arg.(type) {
		case error:
			safe[i] = awserr.Describe(arg).Error()
		case bool, int, int32, int64, float64, time.Duration, time.Time:
			safe[i] = arg
		default:
			safe[i] = "…"
		}
	}
	return fmt.Sprintf(format, safe...)
}
