package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

// rig is what a benchmark of whole processes needs: one broker of Apache Kafka, a farm inside this process, and the binary
// of farmwire.
type rig struct {
	kafka  *kafkatest.Cluster
	farm   *farmtest.Server
	binary string
	shards *instance.Shards
}

// openRig skips the benchmark unless FARMWIRE_TEST_KAFKA asks for Apache Kafka.
func openRig(b *testing.B, cfg farmtest.Config) *rig {
	kafka, err := kafkatest.FromEnv(b.Context(), kafkatest.Options{})
	if errors.Is(err, kafkatest.ErrNotAsked) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := kafka.Close(); err != nil {
			b.Error(err)
		}
	})
	r := &rig{kafka: kafka, farm: farmtest.New(cfg), binary: filepath.Join(b.TempDir(), "farmwire"), shards: instance.NewShards()}
	if err := instance.Build(b.Context(), r.binary); err != nil {
		b.Fatal(err)
	}
	if err := r.farm.Start(""); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := r.farm.Close(); err != nil {
			b.Error(err)
		}
	})
	return r
}

// start starts one `farmwire run`, which ends with the benchmark at the latest.
func (r *rig) start(b *testing.B, number int, flags ...string) *instance.Instance {
	i, err := instance.Start(instance.Config{
		Number: number, Binary: r.binary, Brokers: r.kafka.Addrs(), ReplicationFactor: 1, Endpoint: r.farm.URL(),
		Flags: flags, LogFile: filepath.Join(b.TempDir(), "farmwire.log"), Shards: r.shards,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		i.End()
		if b.Failed() {
			b.Logf("the last line of instance %d: %s", i.Number, i.LastLine())
		}
	})
	return i
}

// mustBecome fails the benchmark if a condition does not hold within d.
func mustBecome(b *testing.B, d time.Duration, what string, so func() bool) {
	b.Helper()
	for end := time.Now().Add(d); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("not within %s: %s", d, what)
		}
	}
}

// gauges are the values of an instance's /metrics. Values of one name with different labels are added up.
func gauges(ctx context.Context, listen string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if i := strings.IndexByte(name, '{'); i >= 0 {
			name = name[:i]
			_, value, ok = strings.Cut(lines.Text(), "} ")
		}
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil && name != "#" {
			values[name] += n
		}
	}
	return values, lines.Err()
}

// mustGauges fails the benchmark if there are no metrics.
func mustGauges(b *testing.B, i *instance.Instance) map[string]float64 {
	b.Helper()
	values, err := gauges(b.Context(), i.Address())
	if err != nil {
		b.Fatal(fmt.Errorf("metrics of the instance: %w", err))
	}
	return values
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
