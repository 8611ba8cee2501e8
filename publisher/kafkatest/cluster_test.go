package kafkatest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// create creates a topic. All brokers must be running. For some seconds after a broker was killed, the controller still
// assigns replicas to it. A partition with two replicas would then reject records until the broker is back, because two
// must be in sync.
func create(t *testing.T, addrs []string, topic string, partitions int32, replicas int16) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, replicas, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// produce commits one record and waits until a read_committed reader can read it. If a single broker were killed before that, it
// might never write the markers: after its restart it does not know the partition's leader yet, and treats the partition as deleted.
func produce(t *testing.T, addrs []string, topic string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	// The client asks for as long as the context, and not only for half a minute: a coordinator may have been killed.
	id := "id-" + topic
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.TransactionalID(id), kgo.RetryTimeout(2*time.Minute), kgo.RequestRetries(1000))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	record := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("b:c")}, {Key: "d", Value: []byte("e")}}}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if err := AwaitEnd(ctx, kadm.NewClient(client), id); err != nil {
		t.Fatal(err)
	}
}

func TestFake(t *testing.T) {
	c, err := StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	create(t, c.Addrs(), "topic", 2, 1)
	produce(t, c.Addrs(), "topic")
	if err := c.Kill(0); !errors.Is(err, ErrUnsupported) {
		t.Errorf("Kill of kfake: %v", err)
	}
}

func startApache(t *testing.T, o Options) *Cluster {
	t.Helper()
	if os.Getenv(Variable) != "apache" {
		t.Skipf("starts and kills brokers: run with %s=apache (Java 17 and Maven)", Variable)
	}
	begin := time.Now()
	c, err := StartApache(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d broker(s) ready after %v", c.Size(), time.Since(begin).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(c.Dir()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("Close left the folder: %v", err)
		}
	})
	return c
}

func TestApacheOneBroker(t *testing.T) {
	c := startApache(t, Options{})
	create(t, c.Addrs(), "topic", 2, 1)
	produce(t, c.Addrs(), "topic")
	if err := c.Kill(0); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := c.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	t.Logf("back %v after SIGKILL", time.Since(begin).Round(time.Millisecond))
	var out bytes.Buffer
	begin = time.Now()
	if err := Console(t.Context(), Reading{Brokers: c.Addrs(), Topic: "topic", Max: 1, Idle: time.Minute}, &out); err != nil {
		t.Fatal(err)
	}
	t.Logf("console consumer took %v: %q", time.Since(begin).Round(time.Millisecond), out.String())
	columns := strings.Split(strings.TrimSuffix(out.String(), "\n"), ColumnSeparator)
	if len(columns) != 6 || columns[3] != "a:b:c"+HeaderSeparator+"d:e" || columns[4] != "k" || columns[5] != "v" {
		t.Errorf("console consumer printed %q", columns)
	}
}

func TestApacheThreeBrokers(t *testing.T) {
	c := startApache(t, Options{Brokers: 3})
	create(t, c.Addrs(), "topic", 3, 3)
	produce(t, c.Addrs(), "topic")
	if err := c.Kill(1); err != nil {
		t.Fatal(err)
	}
	produce(t, c.Addrs(), "topic") // on the two that are running
	if err := c.Restart(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Pause(2), c.Resume(2), c.Stop(0)); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	produce(t, c.Addrs(), "topic")
}
