//go:build unix && synctests

package trigger

import (
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"
)

type fake = *kfake.Cluster

// onFake runs a test on kfake in virtual time. All goroutines of the test have to end with it. The build tag is franz-go's: its
// mutexes are channels then, so that time goes on while it waits for one.
func onFake(t *testing.T, test func(t *testing.T, s *source, c fake)) {
	synctest.Test(t, func(t *testing.T) {
		var network kfake.VirtualNetwork
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(network.Listen))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		test(t, newSource(t, c.ListenAddrs(), network.DialContext), c)
	})
}
