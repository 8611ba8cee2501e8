package kafkatest

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// Variable is the environment variable that says what tests run on: "apache", or the addresses of a broker
// that runs (host:port, several separated by commas), or nothing.
const Variable = "FARMWIRE_TEST_KAFKA"

// ErrNotAsked is what [FromEnv] returns where [Variable] is not set.
var ErrNotAsked = errors.New("needs Apache Kafka: run with " + Variable + "=apache (Java 17 and Maven; nothing is installed), or " +
	Variable + "=localhost:9092 and a broker from publisher/kafkatest/compose.yaml")

// FromEnv is the cluster that the environment asks for, [ErrNotAsked] where it asks for none. The options apply
// to a cluster that is started.
func FromEnv(ctx context.Context, o Options) (*Cluster, error) {
	switch said := os.Getenv(Variable); said {
	case "":
		return nil, ErrNotAsked
	case "apache":
		return StartApache(ctx, o)
	default:
		return Outside(strings.Split(said, ",")...), nil
	}
}

// Shared is a cluster that the tests of one package share: started by the first that needs it, closed by TestMain.
// The zero value, with Options if wanted, is ready.
type Shared struct {
	Options Options

	once    sync.Once
	cluster *Cluster
	err     error
}

// Cluster returns the cluster, and skips the test where the environment asks for none.
func (s *Shared) Cluster(t testing.TB) *Cluster {
	t.Helper()
	s.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		s.cluster, s.err = FromEnv(ctx, s.Options)
	})
	if errors.Is(s.err, ErrNotAsked) {
		t.Skip(s.err)
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.cluster
}

// Close closes the cluster if there is one.
func (s *Shared) Close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
