package trigger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/consumer"
	"farmwire/diff"
	"farmwire/event"
)

// recordsAtOnce is how many records are read at once, so that little more than mostHeld are held.
const recordsAtOnce = 200

const (
	errorPause = 500 * time.Millisecond // nothing is read for so long after an error: the client would ask again at once
	errorGap   = 10 * time.Second       // without an error for so long, what failed has worked again
)

// poll reads records when there is room for them, and hands them to the loop, until ctx ends. The group moves no partition
// between a read and the loop's taking it in. Otherwise records of an earlier assignment could be taken for those of a later one.
func (l *loop) poll(ctx context.Context) {
	for {
		select {
		case <-l.want:
		case <-ctx.Done():
			return
		}
		fetches := l.kafka.PollRecords(ctx, recordsAtOnce)
		l.do(func() { l.take(fetches) })
		l.kafka.AllowRebalance()
		if len(fetches.Errors()) > 0 {
			select {
			case <-time.After(errorPause):
			case <-ctx.Done():
			}
		}
	}
}

// take takes in what was read.
func (l *loop) take(fetches kgo.Fetches) {
	for _, e := range fetches.Errors() {
		l.pollFailed(e)
	}
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		p := l.partitions[place{f.Topic, f.Partition}]
		if p == nil {
			return
		}
		p.end = max(p.end, f.LastStableOffset)
		for _, r := range f.Records {
			if p.take(r.Offset, r.Timestamp) && !l.receive(p, r) {
				p.done(r.Offset)
			}
		}
	})
}

// receive queues the event of a record, and returns false if the record is none that is to be delivered.
func (l *loop) receive(p *partition, r *kgo.Record) bool {
	if r.Attrs.IsControl() {
		return false
	}
	i := &item{record: consumer.RecordOf(r), partition: p}
	var err error
	i.event, err = i.record.Event()
	ended := r.Topic == l.config.Consumer.EndedTopic()
	switch {
	case err != nil && (ended || !errors.Is(err, event.ErrUnknown)):
		// Somebody else wrote it, or a newer Farmwire. A person can look at it in the dead-letter topic.
		i.event.Subject, i.event.ID = string(r.Key), string(r.Key)
		i.result.Reason = "the record cannot be read as an event of this version"
		i.dead = unreadable
		l.log.Error("a record cannot be read; it goes to the dead-letter topic", zap.Error(err))
	case err != nil, !ended && i.event.Kind != diff.Vanished:
		return false
	case !l.config.Filter.Match(i.event):
		l.metrics.filtered.Inc()
		return false
	}
	l.queue.add(i)
	return true
}

// pollFailed takes in an error of reading or of the group.
func (l *loop) pollFailed(e kgo.FetchError) {
	loss, lost := errors.AsType[*kgo.ErrDataLoss](e.Err)
	err := l.explain(e.Err)
	switch {
	case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, kgo.ErrClientClosed), l.stopping:
	case lost:
		l.rewind(loss)
	case e.Topic == "", kerr.IsRetriable(e.Err) && !errors.Is(e.Err, kerr.UnknownTopicID), isFinal(err, math.MaxInt64):
		// The client tries again.
		if l.failing.isOver(err) {
			l.stop(lasting{err})
		} else if l.logged.Allows(err) {
			l.log.Warn("the group or a topic cannot be read; trying again", zap.Error(err))
		}
	default:
		// The offset is gone, or there is none, or the topic is another one now: the client does not read the partition any more.
		// A new session begins with a look at where the group stands.
		l.stop(fmt.Errorf("read %s/%d: %w", e.Topic, e.Partition, err))
	}
}

// rewind reads a partition again from where brokers have lost records that were read. Others may stand in their place now.
func (l *loop) rewind(loss *kgo.ErrDataLoss) {
	l.log.Error("Kafka has lost records that it had confirmed; what stands in their place is read", zap.Error(loss))
	at := place{loss.Topic, loss.Partition}
	if p := l.partitions[at]; p != nil && !p.leaving {
		offset, _ := p.undone()
		l.partitions[at] = newPartition(at, p.member, min(offset, loss.ResetTo), "")
	}
}

// findEnds asks for the ends of the partitions, which tell how far the group is behind.
func (l *loop) findEnds() {
	ctx, cancel := context.WithTimeout(l.trying, lagEvery-time.Second)
	defer cancel()
	ends, err := consumer.Now().Offsets(ctx, kadm.NewClient(l.kafka), l.config.topics()...)
	if err != nil {
		return // the lag stays what it was; that Kafka cannot be reached shows elsewhere
	}
	l.do(func() {
		for at, p := range l.partitions {
			if end, ok := ends.Lookup(at.topic, at.number); ok {
				p.end = max(p.end, end.Offset)
			}
		}
	})
}
