package kafkatest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// ListOffsets returns what list, a method of [kadm.Client], answers for the topics. Until ctx ends it asks again if a partition's
// leader does not answer: a broker that was killed is named as the leader until the controller misses it.
func ListOffsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error), topics ...string) (offsets kadm.ListedOffsets, err error) {
	err = untilAnswered(ctx, func() error {
		var failed error
		offsets, failed = list(ctx, topics...)
		return errors.Join(failed, offsets.Error())
	})
	return offsets, err
}

var errOpen = errors.New("the transaction has not ended")

// AwaitEnd waits until the newest transaction with an id has ended in all partitions. Apache Kafka answers EndTxn before it writes
// the markers into the partitions, and only then do read_committed readers see the records.
func AwaitEnd(ctx context.Context, admin *kadm.Client, id string) error {
	return untilAnswered(ctx, func() error {
		described, err := admin.DescribeTransactions(ctx, id)
		if err == nil {
			err = described[id].Err
		}
		if err == nil && slices.Contains([]string{"Ongoing", "PrepareCommit", "PrepareAbort"}, described[id].State) {
			err = errOpen
		}
		return err
	})
}

// untilAnswered calls ask until it succeeds. When ctx ends it returns the error of ctx and the last one before that.
func untilAnswered(ctx context.Context, ask func() error) error {
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
