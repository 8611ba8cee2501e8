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

// reach asks the cluster for metadata, by each client, and returns their errors as they come. If a broker does not answer in
// time, because it has just started or the machine is busy, it is asked again.
func reach(t *testing.T, c Config) map[string]error {
	t.Helper()
	errs := make(map[string]error)
	for client, ask := range map[string]func(context.Context, *testing.T, Config) error{"kafka-go": askByKafkaGo, "franz-go": askByFranzGo} {
		for began := time.Now(); ; {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			errs[client] = ask(ctx, t, c)
			cancel()
			if !IsTimeout(errs[client]) || time.Since(began) > time.Minute {
				break
			}
		}
	}
	return errs
}

func askByKafkaGo(ctx context.Context, t *testing.T, c Config) error {
	transport, err := c.Transport()
	if err != nil {
		t.Fatal(err)
	}
	defer transport.CloseIdleConnections()
	_, err = transport.RoundTrip(ctx, kafka.TCP(c.Brokers...), &metadata.Request{})
	return err
}

func askByFranzGo(ctx context.Context, t *testing.T, c Config) error {
	options, err := c.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(options, kgo.WithContext(ctx))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	return client.Ping(ctx)
}

// kindOf is the kind of the problem in an error, "" for none.
func kindOf(err error) Kind {
	if problem, ok := errors.AsType[*Error](err); ok {
		return problem.Kind
	}
	return ""
}
