package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"farmwire/internal/leaks"
)

// Variable is the environment variable that selects the cluster for tests. Its value is "apache", or the addresses of
// running brokers (host:port, separated by commas), or empty.
const Variable = "FARMWIRE_TEST_KAFKA"

// ErrNotAsked is the error of [FromEnv] if [Variable] is not set.
var ErrNotAsked = errors.New("needs Apache Kafka: run with " + Variable + "=apache (needs Java 17 and Maven, and installs nothing), or " +
	"start a broker with publisher/kafkatest/compose.yaml and run with " + Variable + "=localhost:9092")

// FromEnv returns the cluster that [Variable] selects, or [ErrNotAsked] if it selects none. The options apply only if
// FromEnv starts the cluster.
func FromEnv(ctx context.Context, o Options) (*Cluster, error) {
	switch value := os.Getenv(Variable); value {
	case "":
		return nil, ErrNotAsked
	case "apache":
		return StartApache(ctx, o)
	default:
		return Outside(strings.Split(value, ",")...), nil
	}
}

// Shared is a cluster that the tests of a package share. The first test that needs it starts it, and TestMain must
// close it. The zero value is ready to use.
type Shared struct {
	Options Options

	once    sync.Once
	cluster *Cluster
	err     error
}

// Cluster returns the cluster. It skips the test if [Variable] is not set.
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

// Main runs the tests of a package for TestMain, and returns the exit code. It closes the cluster, and fails if goroutines of the
// tests have not ended.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	err := s.Close()
	if err == nil && code == 0 {
		err = leaks.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// Close closes the cluster if a test started it.
func (s *Shared) Close() error {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.Close()
}
