package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/publisher/kafkatest"
)

// dump reads the topics back with Apache's console consumer.
func (a *arena) dump(ctx context.Context) error {
	names := []string{"events", "ended", "state"}
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = a.dumpTopic(ctx, name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// dumpTopic reads a topic. The console consumer stops when nothing has come for a while, which on a busy machine
// can be before it has begun; so another client counts the records, and where some are missing the topic is read
// again with more patience. How many there are is asked after the reading, as compaction takes some away.
func (a *arena) dumpTopic(ctx context.Context, name string) error {
	topic, file := topicPrefix+"."+name, filepath.Join(a.dir, name+".txt")
	for idle := 5 * time.Second; ; idle *= 4 {
		read, err := a.readTopic(ctx, topic, file, idle)
		if err != nil {
			return err
		}
		there, err := countRecords(ctx, a.kafka.InnerAddrs(), topic)
		switch {
		case err != nil:
			return err
		case read >= there:
			return nil
		case idle > time.Minute:
			return fmt.Errorf("the console consumer read %d of %d records of %s and then nothing for %s", read, there, topic, idle)
		}
	}
}

// readTopic returns how many records were read into the file.
func (a *arena) readTopic(ctx context.Context, topic, to string, idle time.Duration) (int, error) {
	file, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	err = kafkatest.Console(ctx, kafkatest.Reading{Brokers: a.kafka.InnerAddrs(), Topic: topic, Idle: idle}, file)
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(to)
	if err != nil {
		return 0, err
	}
	const record = "CreateTime:"
	count := bytes.Count(text, []byte("\n"+record))
	if bytes.HasPrefix(text, []byte(record)) {
		count++
	}
	return count, nil
}

// countRecords counts what a read_committed consumer finds from the beginning, until nothing comes any more.
func countRecords(ctx context.Context, brokers []string, topic string) (int, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end of %s: %w", topic, err)
	}
	empty := true
	ends.Each(func(o kadm.ListedOffset) { empty = empty && o.Offset == 0 })
	if empty {
		return 0, nil
	}
	const quiet = 5 * time.Second
	n := 0
	for begun := time.Now(); ; {
		within, cancel := context.WithTimeout(ctx, quiet)
		fetches := client.PollFetches(within)
		cancel()
		switch got := fetches.NumRecords(); {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case got == 0 && (n > 0 || time.Since(begun) > 30*time.Second): // markers and aborted records alone are none
			return n, nil
		default:
			n += got
		}
	}
}
