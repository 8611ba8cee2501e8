package publisher

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"

	"farmwire/cluster"
	"farmwire/publisher/kafkatest"
)

// A long outage, in which everything is tried again and again, leaves neither goroutines nor connections behind.
func TestOutageLeavesNothingBehind(t *testing.T) {
	gate := kafkatest.NewGate()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(gate.Listen))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gate.Open(); fake.Close() })
	c := Config{TopicPrefix: "leaks", Cluster: cluster.Config{Brokers: fake.ListenAddrs()}, Region: "us-west-2"}
	if _, err := CreateTopics(t.Context(), c, testTopics()); err != nil {
		t.Fatal(err)
	}
	p := testOpen(t, c)
	p.brokers.transport.IdleTimeout = time.Second
	p.brokers.transport.CloseIdleConnections() // so that it counts
	registry := prometheus.NewRegistry()
	tried := func(n int, what func(ctx context.Context) error) {
		t.Helper()
		for range n {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			if err := what(ctx); err == nil {
				t.Error("succeeded without brokers")
			}
			cancel()
		}
	}
	all := func() {
		tried(20, func(ctx context.Context) error {
			_, err := Open(ctx, c, testTopics(), testLog(t), registry)
			return err
		})
		tried(20, func(ctx context.Context) error { _, err := CreateTopics(ctx, c, testTopics()); return err })
		tried(20, func(ctx context.Context) error { _, err := p.Acquire(ctx, 0); return err })
		tried(20, func(ctx context.Context) error { _, err := p.Initialized(ctx); return err })
	}
	connections := func() int {
		p.brokers.conns.mu.Lock()
		defer p.brokers.conns.mu.Unlock()
		return len(p.brokers.conns.open)
	}
	for name, turn := range map[string]func(){"frozen": gate.Freeze, "closed": gate.Close} {
		gate.Open()
		acquire(t, p, 0)
		before, open := runtime.NumGoroutine(), connections()
		turn()
		all()
		t.Logf("%s: %d goroutines and %d connections; before %d and %d", name, runtime.NumGoroutine(), connections(), before, open)
		gate.Open()
		acquire(t, p, 0)
		until(t, time.Minute, "nothing is left behind", func() bool { return runtime.NumGoroutine() <= before+10 && connections() <= open+5 })
	}
	second, err := Open(t.Context(), c, testTopics(), testLog(t), registry)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}
