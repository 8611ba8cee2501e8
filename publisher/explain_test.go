package publisher

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"

	"farmwire/cluster"
)

// The last answer is the cause, and not the time that ran out.
func TestTheLastAnswerIsTheCause(t *testing.T) {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	for answer, want := range map[error]cluster.Kind{
		kafka.Error(15): cluster.CoordinatorUnavailable, kafka.Error(51): TransactionPending, kafka.Error(5): cluster.NoUsableAnswer,
		kafka.Error(19): cluster.TooFewInSync, context.DeadlineExceeded: cluster.NoAnswer,
	} {
		err := Config{}.explain(fmt.Errorf("fence: %w", stopped(ctx, answer)))
		if problem, ok := errors.AsType[*cluster.Error](err); !ok || problem.Kind != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", answer, err)
		}
	}
}

// Checking and creating topics on the port of a controller say that it is one.
func TestControllersPort(t *testing.T) {
	started := apache.Cluster(t)
	if !started.Apache() {
		t.Skip("somebody else's broker")
	}
	text, err := os.ReadFile(started.Dir() + "/broker-1.properties")
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`CONTROLLER://([0-9.:]+)`).FindStringSubmatch(string(text))
	c := Config{Cluster: clusterAt(at[1:]), TopicPrefix: "x"}
	_, createErr := CreateTopics(t.Context(), c, testTopics())
	for what, err := range map[string]error{"check": check(t, c), "create": createErr} {
		if err == nil || !strings.HasPrefix(err.Error(), "this is a port of a KRaft controller") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// check looks at the topics.
func check(t *testing.T, c Config) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := CheckTopics(ctx, c, testTopics())
	return err
}
