package farmtest_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/farmtest"
)

func TestParseFaults(t *testing.T) {
	got, err := farmtest.ParseFaults(7, []string{"cut", "slow=0.5", "throttled=1/3s"})
	if err != nil {
		t.Fatal(err)
	}
	want := farmtest.Config{Seed: 7, Faults: []farmtest.Fault{
		{Kind: farmtest.Cut, Probability: 0.003},
		{Kind: farmtest.Slow, Probability: 0.5, Delay: 2 * time.Second},
		{Kind: farmtest.Throttled, Probability: 1, Delay: 3 * time.Second},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if all, err := farmtest.ParseFaults(7, []string{"all"}); err != nil || cmp.Diff(farmtest.AllFaults(7), all) != "" {
		t.Errorf("all: %+v, %v", all, err)
	}
	for _, wrong := range []string{"", "nonsense", "slow=", "slow=0", "slow=1.1", "slow=NaN", "slow=0.1/", "slow=0.1/soon", "slow=0.1/-1s"} {
		if _, err := farmtest.ParseFaults(7, []string{wrong}); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if _, err := farmtest.ParseFaults(7, []string{"cut", "all"}); err == nil {
		t.Error("all beside another is accepted")
	}
}
