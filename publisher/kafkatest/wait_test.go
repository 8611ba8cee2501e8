package kafkatest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A leader that does not answer is asked again until the context ends. Then the error is the last answer.
func TestListOffsets(t *testing.T) {
	asked := 0
	list := func(context.Context, ...string) (kadm.ListedOffsets, error) {
		asked++
		answer := kadm.ListedOffset{Topic: "topic", Offset: 7}
		switch asked {
		case 1:
			return nil, errors.New("connection refused")
		case 2:
			answer.Err = kerr.NotLeaderForPartition
		}
		return kadm.ListedOffsets{"topic": {0: answer}}, nil
	}
	offsets, err := ListOffsets(t.Context(), list, "topic")
	if at, _ := offsets.Lookup("topic", 0); err != nil || at.Offset != 7 || asked != 3 {
		t.Errorf("%v, %v after %d requests", offsets, err, asked)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	asked = 1
	if _, err := ListOffsets(ended, list, "topic"); !errors.Is(err, context.Canceled) || !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("after the end of the context: %v", err)
	}
}

// A transaction that is open is waited for.
func TestAwaitEnd(t *testing.T) {
	c, err := StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	create(t, c.Addrs(), "topic", 1, 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.TransactionalID("id"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := errors.Join(client.BeginTransaction(), client.ProduceSync(t.Context(), &kgo.Record{Topic: "topic"}).FirstErr()); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := AwaitEnd(ctx, admin, "id"); !errors.Is(err, errOpen) {
		t.Errorf("an open transaction: %v", err)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if err := AwaitEnd(t.Context(), admin, "id"); err != nil {
		t.Errorf("an ended transaction: %v", err)
	}
}
