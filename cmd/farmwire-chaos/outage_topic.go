package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/publisher/kafkatest"
)

// deleteEnded deletes the topic with the ended sessions. The instance that is restarted meanwhile creates it again. The
// records are read before, while nothing can be written, because the check needs them.
func (o *outages) deleteEnded() (func(context.Context) error, error) {
	const topic = instance.TopicPrefix + ".ended"
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	thaw := o.freeze(o.kafkaProxies()...)
	pause(ctx, 2*time.Second) // what was being committed is committed
	n := len(o.endedBefore)
	file := filepath.Join(o.dir, fmt.Sprintf("ended-%d.txt", n))
	there, _, err := countRecords(ctx, o.kafka.InnerAddrs(), topic)
	if err == nil {
		o.endedBefore = append(o.endedBefore, file)
		_, err = readTopic(ctx, kafkatest.Reading{Brokers: o.kafka.InnerAddrs(), Topic: topic, Max: there}, file)
	}
	if err == nil {
		err = o.deleteTopic(ctx, topic)
	}
	err = errors.Join(err, thaw(ctx))
	return func(context.Context) error { return nil }, err
}

func (o *outages) deleteTopic(ctx context.Context, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(o.kafka.InnerAddrs()...))
	if err != nil {
		return err
	}
	defer client.Close()
	_, err = kadm.NewClient(client).DeleteTopic(ctx, topic)
	return err
}

// joinEnded puts the records of deleted topics before those of the present one, whose offsets are raised: the check demands
// rising offsets.
func joinEnded(dir string, before []string) error {
	if len(before) == 0 {
		return nil
	}
	present := filepath.Join(dir, fileOf("ended"))
	last := filepath.Join(dir, "ended-last.txt")
	if err := os.Rename(present, last); err != nil {
		return err
	}
	to, err := os.Create(present)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	for n, file := range append(before, last) {
		text, readErr := os.ReadFile(file)
		err = errors.Join(err, readErr)
		for line := range strings.Lines(string(text)) {
			_, writeErr := out.WriteString(raiseOffset(line, int64(n)<<40))
			err = errors.Join(err, writeErr)
		}
	}
	return errors.Join(err, out.Flush(), to.Close())
}

// raiseOffset adds to the offset of a record that the console consumer printed.
func raiseOffset(line string, by int64) string {
	const column = 2
	columns := strings.SplitN(line, "\t", column+2)
	if len(columns) < column+2 {
		return line
	}
	text, found := strings.CutPrefix(columns[column], "Offset:")
	offset, err := strconv.ParseInt(text, 10, 64)
	if !found || err != nil {
		return line
	}
	columns[column] = fmt.Sprintf("Offset:%d", offset+by)
	return strings.Join(columns, "\t")
}
