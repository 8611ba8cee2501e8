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

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/publisher/kafkatest"
)

// readTopics writes the records of all topics to files in dir, as Apache's console consumer prints them.
func readTopics(ctx context.Context, brokers []string, dir string) error {
	names := []string{"events", "ended", "state", "coverage"}
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = readWholeTopic(ctx, brokers, dir, name) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// readWholeTopic reads a topic to its end. The console consumer stops when no record has come for a while, which on a
// busy machine may be before its first one. Therefore another client counts the records first, and if some are missing,
// the topic is read again with more patience. Compaction removes records meanwhile, so they are counted again, too.
func readWholeTopic(ctx context.Context, brokers []string, dir, name string) error {
	topic, file := instance.TopicPrefix+"."+name, filepath.Join(dir, fileOf(name))
	for idle := 5 * time.Second; ; idle *= 4 {
		there, exact, err := countRecords(ctx, brokers, topic)
		if err != nil {
			return err
		}
		reading := kafkatest.Reading{Brokers: brokers, Topic: topic, Idle: idle}
		if exact {
			reading.Max = there // the consumer need not wait for more
		}
		read, err := readTopic(ctx, reading, file)
		if err == nil && read < there {
			there, _, err = countRecords(ctx, brokers, topic)
		}
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

// readTopic reads a topic into a file and returns the number of records.
func readTopic(ctx context.Context, r kafkatest.Reading, to string) (int, error) {
	file, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	err = kafkatest.Console(ctx, r, file)
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

// countRecords counts the records that a read_committed consumer receives from the beginning. The number is exact if
// every partition was read up to its last record or marker. Otherwise no record came for some seconds.
func countRecords(ctx context.Context, brokers []string, topic string) (n int, exact bool, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, false, err
	}
	defer client.Close()
	listing, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	ends, err := kafkatest.ListOffsets(listing, kadm.NewClient(client).ListCommittedOffsets, topic)
	if err != nil {
		return 0, false, fmt.Errorf("end of %s: %w", topic, err)
	}
	unread := map[int32]int64{} // the ends of partitions that are not read to the end yet
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			unread[o.Partition] = o.Offset
		}
	})
	const quiet = 5 * time.Second
	for begun := time.Now(); len(unread) > 0; {
		within, cancel := context.WithTimeout(ctx, quiet)
		fetches := client.PollFetches(within)
		cancel()
		if ctx.Err() != nil {
			return 0, false, ctx.Err()
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				n++
			}
			if r.Offset+1 >= unread[r.Partition] {
				delete(unread, r.Partition)
			}
		})
		if fetches.NumRecords() == 0 && (n > 0 || time.Since(begun) > 30*time.Second) {
			return n, false, nil
		}
	}
	return n, true, nil
}
