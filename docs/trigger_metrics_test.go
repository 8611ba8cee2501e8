package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/consumer/trigger"
)

// consuming.md lists every metric of a trigger, and no other.
func TestTriggerMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	if _, err := trigger.New(trigger.Config{}, zap.NewNop(), registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var registered []string
	for _, f := range families {
		registered = append(registered, f.GetName())
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `farmwire_trigger_[a-z_]+`").FindAllString(pages(t)["consuming.md"], -1) {
		documented = append(documented, strings.Trim(row, "| `"))
	}
	slices.Sort(registered)
	slices.Sort(documented)
	if d := cmp.Diff(registered, documented); d != "" {
		t.Errorf("the metrics (-registered +documented):\n%s", d)
	}
}
