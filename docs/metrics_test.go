package docs

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire"
	"farmwire/cluster"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// operating.md lists every metric that a run registers, with its labels, and no other.
func TestMetrics(t *testing.T) {
	want := registered(t)
	want["farmwire_log_lines_dropped_total"] = "" // the command registers it, because the library writes no log of its own
	have := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(farmwire_[a-z_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(pages(t)["operating.md"], -1) {
		labels := regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[2], -1)
		var names []string
		for _, label := range labels {
			names = append(names, label[1])
		}
		slices.Sort(names)
		have[row[1]] = strings.Join(names, ",")
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("the metrics (-registered +documented):\n%s", d)
	}
}

// registered are the labels of each metric that a run between a farm and a broker registers.
func registered(t *testing.T) map[string]string {
	t.Helper()
	farm := farmtest.New(farmtest.Config{Workers: 1})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	defer farm.Close()
	broker, err := kafkatest.StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_DEADLINE": farm.URL(), "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "docs", "AWS_SECRET_ACCESS_KEY": "docs",
	} {
		t.Setenv(name, value)
	}
	client, err := poller.NewClient(t.Context(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	ended := make(chan error, 1)
	go func() {
		ended <- farmwire.Run(ctx, farmwire.Config{
			Client:    client,
			Publisher: publisher.Config{Cluster: cluster.Config{Brokers: broker.Addrs()}, TopicPrefix: "docs", Region: "eu-west-1", Initial: "open"},
			Topics:    publisher.TopicSpec{Partitions: 1, ReplicationFactor: 1},
			Create:    true,
			Registry:  registry,
		}, zap.NewNop())
	}()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for !answered(t, registry) { // the poller registers its metrics last, and before its first request
		if ctx.Err() != nil {
			t.Fatal("no request was answered")
		}
		time.Sleep(20 * time.Millisecond)
	}
	return described(registry)
}

// answered reports whether a request to Deadline Cloud was counted.
func answered(t *testing.T, registry *prometheus.Registry) bool {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "farmwire_api_requests_total" {
			return true
		}
	}
	return false
}

// described are the labels of each metric of a registry, separated by commas. Metrics of the Go runtime and of the process
// are left out.
func described(registry *prometheus.Registry) map[string]string {
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		registry.Describe(descriptions)
	}()
	all := map[string]string{}
	form := regexp.MustCompile(`fqName: "(farmwire_[^"]*)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	for d := range descriptions {
		found := form.FindStringSubmatch(d.String())
		if found == nil {
			continue
		}
		var names []string
		for label := range strings.SplitSeq(found[2]+","+found[3], ",") {
			if name, _, _ := strings.Cut(label, "="); name != "" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		all[found[1]] = strings.Join(names, ",")
	}
	return all
}
