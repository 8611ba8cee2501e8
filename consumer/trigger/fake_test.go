//go:build unix && !synctests

package trigger

import (
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

type fake = *kfake.Cluster

// onFake runs a test on kfake. With the build tag synctests it does so in virtual time.
func onFake(t *testing.T, test func(t *testing.T, s *source, c fake)) {
	t.Parallel()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var dialer net.Dialer
	test(t, newSource(t, c.ListenAddrs(), dialer.DialContext), c)
}
