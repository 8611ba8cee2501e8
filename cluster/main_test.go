package cluster

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/publisher/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(new(kafkatest.Shared).Main(m)) }

// apacheCluster is a cluster of Apache Kafka that no other test has.
func apacheCluster(t *testing.T, o kafkatest.Options) *kafkatest.Cluster {
	t.Helper()
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skipf("starts brokers of its own: run with %s=apache (Java 17 and Maven)", kafkatest.Variable)
	}
	cluster, err := kafkatest.StartApache(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Close(); err != nil {
			t.Error(err)
		}
	})
	return cluster
}

// reach asks the cluster for metadata, by each client, and returns their errors as they come.
func reach(t *testing.T, c Config) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	transport, err := c.Transport()
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	_, ofKafkaGo := transport.RoundTrip(ctx, kafka.TCP(c.Brokers...), &metadata.Request{})
	options, err := c.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(options, kgo.WithContext(ctx))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return map[string]error{"kafka-go": ofKafkaGo, "franz-go": client.Ping(ctx)}
}

// kindOf is the kind of the problem in an error, "" for none.
func kindOf(err error) Kind {
	if problem, ok := errors.AsType[*Error](err); ok {
		return problem.Kind
	}
	return ""
}
