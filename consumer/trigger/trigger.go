package trigger

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/status"
)

// Trigger delivers events as its Config says. It is for one Run.
type Trigger struct {
	config     Config
	from       *consumer.Position // Config.From, until it has decided
	log        *zap.Logger
	metrics    *metrics
	membership cluster.Membership
	waiting    atomic.Pointer[error] // why Kafka cannot be used yet
	snapshot   atomic.Pointer[status.Trigger]
}

// New returns a trigger and registers its metrics.
func New(c Config, log *zap.Logger, registry prometheus.Registerer) (*Trigger, error) {
	m, err := newMetrics(registry)
	if err != nil {
		return nil, err
	}
	return &Trigger{
		config: c, from: c.From, log: log, metrics: m,
		membership: cluster.Membership{Explain: func(err error) error { return c.Consumer.Cluster.Explain(err, c.GroupID()) }},
	}, nil
}

// Run delivers events until ctx ends. Then it begins no further try, lets those end that are under way, for Config.Drain at most,
// commits what is done, and returns nil. While Kafka cannot be used, at the start or later, it waits.
//
// It returns an error if it cannot go on. Everything that is not delivered then comes again with the next run.
func (t *Trigger) Run(ctx context.Context) error {
	var limit cluster.LogLimit
	failing := patience{gap: longSession}
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		began := time.Now()
		err := t.session(ctx)
		switch {
		case err == nil || failing.isOver(err):
			return err
		case ctx.Err() != nil:
			return nil
		case time.Since(began) > longSession:
			pause = firstRetry
		}
		t.waiting.Store(&err)
		t.snapshot.Store(nil)
		if limit.Allows(err) {
			t.log.Warn("the topics cannot be read; trying again", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

const (
	prepareTimeout = 30 * time.Second
	firstRetry     = 500 * time.Millisecond // the pause after the first failure, doubled after each further one
	longestRetry   = 10 * time.Second
	longSession    = time.Minute // after a session of this length the pauses begin with firstRetry again
)

// session looks at the topics and at where the group stands, joins the group, and delivers what it assigns until ctx ends. Its
// error says why it cannot go on. A new session may, unless the error is final.
func (t *Trigger) session(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	return t.serve(ctx)
}

// prepare creates the dead-letter topic if it is missing, and finds out where the group begins.
func (t *Trigger) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	admin, err := t.config.Consumer.Admin(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	if err = consumer.Exist(ctx, admin, t.config.topics()...); err == nil {
		if err = t.createDeadLetterTopic(ctx, admin); err == nil {
			err = t.beginGroup(ctx, admin)
		}
	}
	if err == nil {
		t.from = nil // it decides at the start, and not about what is lost later
	}
	return t.config.Consumer.Cluster.ExplainClosed(ctx, err, t.names()...)
}

// names are the names that may be in an error's text.
func (t *Trigger) names() []string {
	return append(t.config.topics(), t.config.GroupID(), t.config.DeadLetterTopic())
}

// explain adds what an error means.
func (t *Trigger) explain(err error) error {
	return t.config.Consumer.Cluster.Explain(err, t.names()...)
}

// serve joins the group and delivers what it assigns until ctx ends or the trigger cannot go on.
func (t *Trigger) serve(ctx context.Context) error {
	l := newLoop(t)
	client, err := l.client()
	if err != nil {
		return err
	}
	l.kafka = client
	polling, stopPolling := context.WithCancel(context.Background())
	polled := make(chan struct{})
	go func() {
		defer close(polled)
		l.poll(polling)
	}()
	err = l.run(ctx)
	stopPolling()
	l.leaveGroup(polled)
	l.tries.Wait()
	return err
}

// stopped is an error that ends the trigger.
func stopped(kind cluster.Kind, format string, args ...any) error {
	return &cluster.Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}
