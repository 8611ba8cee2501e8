package publisher

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"farmwire/cluster"
)

// gatherTime is how long a cluster may have fewer brokers than a new topic needs. The brokers of a cluster that was just
// started come one after the other.
const gatherTime = time.Minute

// Trials tells whether it helps to try again what CreateTopics, Open, Initialized, Initialize or Join has failed at. The zero
// value is ready to use.
type Trials struct {
	refused time.Time // when the first of the errors in a row was returned that are final when they last; zero: there is none
	logged  cluster.LogLimit
}

// IsNews reports whether an error is to be logged: whether no other with the same reason was in the last minutes.
func (t *Trials) IsNews(err error) bool { return t.logged.Allows(err) }

// IsFinal takes in the error of a trial, and reports whether it cannot pass by itself, so that no further trial helps.
//
// These are final at once: a wrong configuration, refused topics, missing topics, and timeouts that the brokers do not allow.
// These are final when they have lasted for some seconds: a login or a permission that brokers refuse, TLS that does not fit,
// and requests that brokers do not accept. Too few brokers for a new topic are final after a minute. All others may pass: no broker listens or answers, its name is not known yet, it
// closes the connection, or it is not ready for a request. An error that is not known may pass too.
func (t *Trials) IsFinal(err error) bool {
	switch {
	case !isFinal(err, gatherTime):
		t.refused = time.Time{}
		return false
	case t.refused.IsZero():
		t.refused = time.Now()
	}
	return isFinal(err, time.Since(t.refused))
}

// isFinal is Trials.IsFinal. lasted is the time since the first of the errors in a row that are final when they last.
func isFinal(err error, lasted time.Duration) bool {
	problem, _ := errors.AsType[*cluster.Error](err)
	switch {
	case err == nil:
		return false
	case errors.Is(err, ErrRefused) && problem != nil && problem.Kind == TooFewBrokers:
		return lasted >= gatherTime
	case errors.Is(err, ErrRefused), errors.Is(err, kerr.FencedInstanceID):
		return true
	case problem == nil:
		return cluster.IsFinal(err, lasted)
	}
	switch problem.Kind {
	case TopicMissing, TransactionTimeoutNotAllowed:
		return true
	case TransactionalIDNotAllowed, TopicNotWritable:
		return lasted >= cluster.SettleTime
	}
	return cluster.IsFinal(err, lasted)
}
