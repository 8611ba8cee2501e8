package cluster

import (
	"errors"
	"maps"
	"time"
)

const (
	logInterval = 5 * time.Minute // between two log lines with the same reason
	maxReasons  = 10              // that are logged in this time; an error that is not known may have another text each time
)

// LogLimit bounds what is logged of errors that come again and again for hours. The zero value is ready to use.
type LogLimit struct {
	logged map[string]time.Time // by reason
}

// Allows reports whether an error is to be logged: whether no other with the same reason was logged in the last minutes.
func (l *LogLimit) Allows(err error) bool {
	reason, now := reasonOf(err), time.Now()
	maps.DeleteFunc(l.logged, func(_ string, at time.Time) bool { return now.Sub(at) >= logInterval })
	if _, ok := l.logged[reason]; ok || len(l.logged) >= maxReasons {
		return false
	}
	if l.logged == nil {
		l.logged = make(map[string]time.Time)
	}
	l.logged[reason] = now
	return true
}

// reasonOf returns what errors with the same cause have in common. Their texts may differ, for example in port numbers.
func reasonOf(err error) string {
	if problem, explained := errors.AsType[*Error](err); explained {
		return string(problem.Kind)
	}
	return err.Error()
}
