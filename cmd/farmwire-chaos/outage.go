package main

import (
	"context"
	"regexp"
	"strings"
	"time"

	"farmwire/poller/farmtest"
)

// outage is something that farmwire needs and that is taken away for a while.
type outage struct {
	name    string
	brokers int // the least number of brokers in the cluster
	take    func(*outages) (giveBack func(context.Context) error, err error)

	// Each instance that owns shards must name the cause within nameWithin, in /readyz and by a warning in its log. With
	// standby, those that own nothing must, too. Nil: nothing must be named.
	named   *regexp.Regexp
	standby bool
	counts  func(*outages) time.Time // from when on it is an outage; nil: from the taking

	// Farmwire must go on publishing without what was taken away, if this is not 0: changes must be published within it. If
	// full is not "", they are made as soon as this metric of each instance that owns shards has begun to grow.
	goesOn time.Duration
	full   string

	// A process that is started meanwhile must name the cause in the same way. Nil: it may work.
	atStart *regexp.Regexp

	// A warning that must be in the logs of those that it concerned; nil: none.
	afterwards *regexp.Regexp
}

const (
	lasts         = 20 * time.Second // the least time for which something is away; by then all pauses between attempts are long
	nameWithin    = 30 * time.Second
	readyWithin   = 2 * time.Minute // a shard that failed often is ready after a minute without a failure
	publishWithin = 90 * time.Second
	fullWithin    = 6 * time.Minute  // at 100 workers the lines of a log find room in memory and in the pipe for four minutes
	seenWithin    = 20 * time.Second // after which a change is seen and published when all is well: the staleness and some seconds
	stopWithin    = 5 * time.Second
)

// Words that name a cause. They are few and loose, because the exact words are tested elsewhere.
func words(any string) *regexp.Regexp { return regexp.MustCompile("(?i)" + any) }

// allOutages returns the outages in the order in which they are tried.
func allOutages() []outage {
	kafka := words(`kafka|broker|group|leader|coordinator|transaction`)
	unreachable := words(`connection|connect:|time.?out|timed out|refused|cannot be reached|unreachable|no answer|not answer`)
	serverError := words(`server.?error|internal|unavailable|\b5\d\d\b`)
	throttled := words(`throttl|too many|\b429\b`)
	denied := words(`denied|not authorized|\b403\b`)
	keys := words(`credential`)
	fault := func(kind farmtest.Kind, of farmtest.Operation) func(*outages) (func(context.Context) error, error) {
		return func(o *outages) (func(context.Context) error, error) { return o.takeAnswers(kind, of) }
	}
	return []outage{
		{name: "one-broker", brokers: 3, take: (*outages).takeOneBroker, goesOn: 30*time.Second + seenWithin},
		{name: "brokers-killed", take: (*outages).killBrokers, named: kafka, standby: true, atStart: kafka},
		{name: "brokers-stopped", take: (*outages).stopBrokers, named: kafka, standby: true, atStart: kafka},
		{name: "one-broker-stopped", brokers: 3, take: (*outages).stopOneBroker, goesOn: 30*time.Second + seenWithin},
		{name: "bootstrap", brokers: 3, take: (*outages).takeBootstrap, goesOn: 30*time.Second + seenWithin, atStart: kafka},
		{name: "kafka-network", take: (*outages).freezeKafka, named: kafka, standby: true, atStart: kafka},
		{name: "kafka-connections", take: (*outages).silenceKafka, goesOn: 30*time.Second + seenWithin},
		{name: "ended-deleted", take: (*outages).deleteEnded, named: words(`\.ended`)},
		{name: "api-refused", take: (*outages).refuseAPI, named: unreachable, atStart: unreachable},
		{name: "api-network", take: (*outages).freezeAPI, named: unreachable, atStart: unreachable},
		{name: "api-connections", take: (*outages).silenceAPI, goesOn: 20*time.Second + seenWithin},
		{name: "api-errors", take: fault(farmtest.ServerError, ""), named: serverError, atStart: serverError},
		{name: "api-throttled", take: fault(farmtest.Throttled, ""), named: throttled, atStart: throttled},
		{name: "sessions-denied", take: fault(farmtest.Denied, farmtest.ListSessionsForWorker), named: denied},
		{name: "api-denied", take: fault(farmtest.Denied, ""), named: denied, atStart: denied},
		{name: "credentials-failing", take: (*outages).failCredentials, named: keys, counts: (*outages).keysExpire, atStart: keys},
		{name: "credentials-gone", take: (*outages).refuseCredentials, named: keys, counts: (*outages).keysExpire, atStart: keys},
		{name: "credentials-refused", take: fault(farmtest.Expired, ""), named: keys, atStart: keys},
		{name: "log", take: (*outages).blockLogs, full: "farmwire_log_lines_dropped_total", goesOn: 30*time.Second + seenWithin, afterwards: words(`dropped`)},
	}
}

// namesIn reports whether a text has the words. That no shard is assigned is no cause.
func namesIn(text string, any *regexp.Regexp) bool {
	const noCause = "the consumer group has assigned no shard to this instance"
	return any.MatchString(strings.ReplaceAll(text, noCause, ""))
}
