package trigger

import (
	"errors"
	"math"
	"time"

	"farmwire/cluster"
	"farmwire/consumer"
)

// patience finds out when an error has lasted that is final when it lasts. See [cluster.IsFinal].
type patience struct {
	gap         time.Duration // if no error occurs for longer, the next one is the first of a new row
	since, last time.Time     // of the errors in a row
}

// isOver reports whether an error that has just occurred cannot pass by itself.
func (p *patience) isOver(err error) bool {
	if !isFinal(err, math.MaxInt64) {
		p.last = time.Time{}
		return false
	}
	now := time.Now()
	if now.Sub(p.last) > p.gap {
		p.since = now
	}
	p.last = now
	return isFinal(err, now.Sub(p.since))
}

// lasting is an error that has lasted for so long that it is final.
type lasting struct{ error }

func (l lasting) Unwrap() error { return l.error }

// isFinal reports whether an error cannot pass by itself, if it has lasted so long.
func isFinal(err error, lasted time.Duration) bool {
	if _, ok := errors.AsType[lasting](err); ok {
		return true
	}
	if problem, ok := errors.AsType[*cluster.Error](err); ok {
		switch problem.Kind {
		case consumer.TopicMissing, FromMissing, FromGone, DeadLetterMissing, TargetImpossible, TooManyRefused:
			return true
		}
	}
	return cluster.IsFinal(err, lasted)
}
