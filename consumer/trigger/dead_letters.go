package trigger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/consumer"
	"farmwire/event"
)

// DeadLetter is an event that was given up.
type DeadLetter struct {
	Record      event.Record // the event as it was, without the headers of the dead letter
	Event       event.Event  // zero if the record cannot be read
	ID          string       // the event's id, or the record's key if it cannot be read
	Reason      string       // refused, too-old or unreadable
	Message     string       // one line for people
	Attempts    int          // how often the target refused it
	First, Last time.Time    // when the first and the last try began; zero if there was none
	Exit        int          // the exit code of the command, if it ended by itself
	Status      int          // the status of the HTTP answer, if there was one
	Stderr      string       // the end of what the command wrote to stderr
}

// DeadLetters is the dead-letter topic of a group.
type DeadLetters struct {
	config Config
	client *kgo.Client
}

// OpenDeadLetters connects to the cluster. Of the configuration it needs Consumer and Group.
func OpenDeadLetters(c Config) (*DeadLetters, error) {
	options, err := c.Consumer.Cluster.ClientOptions()
	if err != nil {
		return nil, err
	}
	options = append(append(options, letterOptions()...), kgo.RetryTimeout(deliveryTimeout), kgo.DisableClientMetrics())
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	return &DeadLetters{c, client}, nil
}

// Close closes the connections.
func (d *DeadLetters) Close() { d.client.Close() }

// List returns the events that were given up and neither delivered later nor dropped, in the order in which they were given up.
// Their records have been read up to the end that the topic had when List was called.
func (d *DeadLetters) List(ctx context.Context) ([]DeadLetter, error) {
	topic := d.config.DeadLetterTopic()
	records, err := consumer.ReadAll(ctx, d.config.Consumer, topic)
	if err != nil {
		return nil, err
	}
	last := map[string]int{} // the index of the last record of each key
	for n, r := range records {
		last[string(r.Key)] = n
	}
	var letters []DeadLetter
	for n, r := range records {
		if last[string(r.Key)] == n && r.Value != nil {
			letters = append(letters, deadLetterOf(r.Record))
		}
	}
	return letters, nil
}

// deadLetterOf reads a record of the dead-letter topic. What cannot be read in it is left out, so that it can still be seen.
func deadLetterOf(r event.Record) DeadLetter {
	l := DeadLetter{
		Record: event.Record{Key: r.Key, Value: r.Value}, ID: string(r.Key),
		Reason: headerOf(r.Headers, reasonHeader), Message: headerOf(r.Headers, messageHeader), Stderr: headerOf(r.Headers, stderrHeader),
	}
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Key, letterPrefix) {
			l.Record.Headers = append(l.Record.Headers, h)
		}
	}
	l.Attempts, _ = strconv.Atoi(headerOf(r.Headers, attemptsHeader))
	l.Exit, _ = strconv.Atoi(headerOf(r.Headers, exitHeader))
	l.Status, _ = strconv.Atoi(headerOf(r.Headers, statusHeader))
	l.First, _ = time.Parse(timeLayout, headerOf(r.Headers, firstHeader))
	l.Last, _ = time.Parse(timeLayout, headerOf(r.Headers, lastHeader))
	if e, err := event.Decode(l.Record.Key, l.Record.Value, l.Record.Headers); err == nil {
		l.Event, l.ID = e, e.ID
	}
	return l
}

// Replay delivers a dead letter to a target once. If the target takes it, the dead letter is removed.
func (d *DeadLetters) Replay(ctx context.Context, l DeadLetter, target Target) (Result, error) {
	if l.Event.ID == "" {
		return Result{Outcome: Refused, Reason: "the record cannot be read as an event of this version"}, nil
	}
	r := target.Deliver(ctx, Delivery{Record: l.Record, Event: l.Event, Attempt: 1})
	if r.Outcome != Delivered {
		return r, nil
	}
	return r, d.Remove(ctx, l)
}

// Remove removes a dead letter, by a tombstone.
func (d *DeadLetters) Remove(ctx context.Context, l DeadLetter) error {
	tombstone := &kgo.Record{Topic: d.config.DeadLetterTopic(), Key: l.Record.Key}
	if err := d.client.ProduceSync(ctx, tombstone).FirstErr(); err != nil {
		return d.config.Consumer.Cluster.Explain(fmt.Errorf("remove %s: %w", l.ID, err), tombstone.Topic)
	}
	return nil
}
