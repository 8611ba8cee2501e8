package trigger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/cluster"
	"farmwire/event"
)

// An event that is given up goes to the dead-letter topic with its key, its value and its headers, and these headers beside
// them. The topic is compacted, so that an event that is given up twice is there once, and a tombstone under its key says that it
// was delivered later, or dropped.
const (
	letterPrefix = "deadletter_" // of the names of these headers

	reasonHeader    = "deadletter_reason"   // a deadReason
	messageHeader   = "deadletter_message"  // one line for people
	attemptsHeader  = "deadletter_attempts" // how often the target refused it
	firstHeader     = "deadletter_first"    // when the first try began; not there if there was none
	lastHeader      = "deadletter_last"     // when the last one began
	exitHeader      = "deadletter_exit"     // the exit code of the command, if it ended by itself
	statusHeader    = "deadletter_status"   // the status of the HTTP answer, if there was one
	stderrHeader    = "deadletter_stderr"   // the end of what the command wrote to stderr
	topicHeader     = "deadletter_topic"    // where the event is
	partitionHeader = "deadletter_partition"
	offsetHeader    = "deadletter_offset"
)

// deliveryTimeout is how long Kafka may take to confirm a dead letter or a tombstone.
const deliveryTimeout = 30 * time.Second

// deadReason is why an event was given up.
type deadReason string

const (
	refusedForGood deadReason = "refused"    // the target refused it as often as it may
	tooOld         deadReason = "too-old"    // it was older than the maximal age before it was delivered
	unreadable     deadReason = "unreadable" // it is no event of this version
)

const timeLayout = "2006-01-02T15:04:05.000Z"

// letter returns the record for the dead-letter topic.
func (i *item) letter(topic string) *kgo.Record {
	r := i.record
	letter := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value}
	if letter.Key == nil { // compacted topics take no such record
		letter.Key = fmt.Appendf(nil, "%s/%d/%d", r.Topic, r.Partition, r.Offset)
	}
	for _, h := range r.Headers {
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	add := func(key, value string) {
		if value != "" {
			letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
	}
	add(reasonHeader, string(i.dead))
	add(messageHeader, i.message())
	add(attemptsHeader, strconv.Itoa(i.attempts))
	if i.tries > 0 {
		add(firstHeader, i.first.UTC().Format(timeLayout))
		add(lastHeader, i.last.UTC().Format(timeLayout))
	}
	switch {
	case i.result.Status != 0:
		add(statusHeader, strconv.Itoa(i.result.Status))
	case i.result.Exit != 0:
		add(exitHeader, strconv.Itoa(i.result.Exit))
	}
	add(stderrHeader, string(i.result.Stderr))
	add(topicHeader, r.Topic)
	add(partitionHeader, strconv.Itoa(int(r.Partition)))
	add(offsetHeader, strconv.FormatInt(r.Offset, 10))
	return letter
}

// message says in one line why the event was given up.
func (i *item) message() string {
	if i.dead != tooOld {
		return i.result.Reason
	}
	text := fmt.Sprintf("the event was %s old", i.age(time.Now()).Round(time.Second))
	if i.tries > 0 {
		text += ", after " + i.result.Reason
	}
	return text
}

// letterOptions are the options of a client that writes to the dead-letter topic.
func letterOptions() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DisableIdempotentWrite(),                      // a record that is written twice is the same under the same key
		kgo.ProducerBatchCompression(kgo.NoCompression()), // not every client reads Snappy, which is the default
		kgo.RecordDeliveryTimeout(deliveryTimeout),
	}
}

// bury copies an event to the dead-letter topic, in the background. It is done when Kafka has confirmed the copy.
func (l *loop) bury(i *item) {
	letter := i.letter(l.config.DeadLetterTopic())
	l.tries.Go(func() {
		err := l.kafka.ProduceSync(l.trying, letter).FirstErr()
		l.do(func() { l.buried(i, err) })
	})
}

// buried takes in what came of the copy.
func (l *loop) buried(i *item, err error) {
	l.endOf(i)
	if l.deadErr = err; err != nil {
		if l.logged.Allows(err) {
			l.log.Warn("an event cannot be written to the dead-letter topic; trying again", zap.Error(l.explain(err)))
		}
		l.again(i, 0)
		return
	}
	l.metrics.dead.WithLabelValues(string(i.dead)).Inc()
	l.log.Error("event given up: it is in the dead-letter topic", zap.String("id", i.event.ID), zap.String("reason", string(i.dead)),
		zap.String("message", i.message()), zap.Int("attempts", i.attempts))
	l.finish(i)
}

// createDeadLetterTopic creates the dead-letter topic if it is missing, with as many replicas as the ended topic has.
func (t *Trigger) createDeadLetterTopic(ctx context.Context, admin *kadm.Client) error {
	name, ended := t.config.DeadLetterTopic(), t.config.Consumer.EndedTopic()
	details, err := admin.ListTopics(ctx, name, ended)
	if err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	if d := details[name]; !errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
		return d.Err
	}
	replicas := 1
	for _, p := range details[ended].Partitions {
		replicas = max(replicas, len(p.Replicas))
	}
	settings := map[string]*string{
		"cleanup.policy":         kadm.StringPtr("compact"),
		"delete.retention.ms":    kadm.StringPtr("315360000000"), // ten years: the list is read up to its newest record, also if that is a tombstone
		"message.timestamp.type": kadm.StringPtr("CreateTime"),
	}
	if replicas > 2 {
		settings["min.insync.replicas"] = kadm.StringPtr("2")
	}
	_, err = admin.CreateTopic(ctx, 1, int16(replicas), settings, name)
	switch {
	case err == nil:
		t.log.Info("the dead-letter topic was created", zap.String("topic", name), zap.Int("replicas", replicas))
		return nil
	case errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return &cluster.Error{Kind: DeadLetterMissing, Err: err,
			Text: fmt.Sprintf("there is no topic %s, and this user may not create it: an administrator can, with cleanup.policy=compact", name)}
	}
	return fmt.Errorf("create %s: %w", name, err)
}

// headerOf returns the value of a header, or "".
func headerOf(headers []event.Header, key string) string {
	for _, h := range headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}
