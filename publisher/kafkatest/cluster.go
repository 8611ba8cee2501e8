package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// ErrUnsupported is returned by methods that work only for Apache Kafka brokers that this package started.
var ErrUnsupported = errors.New("only an Apache Kafka cluster that kafkatest started can do this")

// Options describes an Apache Kafka cluster. The zero value is one broker without security.
type Options struct {
	// Version is the version of Apache Kafka; by default [Version].
	Version string
	// Brokers is 1 (the default) or 3. With three brokers, topics have three replicas by default, of which two must
	// be in sync.
	Brokers int
	// Properties are added to every broker's server.properties and override the values there.
	Properties map[string]string
	// JVM are further arguments for every broker's JVM. They override the default ones.
	JVM []string
	// Ports are the ports for clients, one for each broker. By default they are free ports.
	Ports []int
	// Advertise returns the address that a broker (counted from 0) advertises to clients while it listens on addr,
	// for example that of a proxy. By default it advertises addr.
	Advertise func(broker int, addr string) string
	// Security, if set, makes brokers require TLS and SASL from clients and check ACLs.
	Security *Security
}

// Security configures a secured cluster. On [Cluster.Addrs] the protocol is SASL_SSL. On [Cluster.InnerAddrs] every
// client is a super user without TLS or SASL, so that tests can create ACLs there.
type Security struct {
	// Mechanisms are the enabled SASL mechanisms, of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; by default all three.
	Mechanisms []string
	// Users has the passwords by user name, for all mechanisms. A user has no rights until an ACL grants them.
	Users map[string]string
}

// Cluster is one or more brokers. Its methods are safe for concurrent use, except that calls for the same broker must
// not overlap.
type Cluster struct {
	fake      *kfake.Cluster
	external  []string // addresses of a cluster that something else runs
	brokers   []*broker
	dir       string // folder of the brokers' files
	classPath string // class path of Apache Kafka's jars
	secure    bool
}

// StartFake starts kfake inside this process, with the given number of brokers or one if that is 0. As with
// [StartApache], topics are not created automatically.
func StartFake(_ context.Context, brokers int) (*Cluster, error) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(max(brokers, 1)))
	if err != nil {
		return nil, fmt.Errorf("start kfake: %w", err)
	}
	return &Cluster{fake: fake}, nil
}

// Outside returns a cluster for brokers that already run at addrs. Its Close does not stop them.
func Outside(addrs ...string) *Cluster { return &Cluster{external: addrs} }

// Fake returns the kfake cluster, with which a test injects faults. It returns nil for other clusters.
func (c *Cluster) Fake() *kfake.Cluster { return c.fake }

// Apache reports whether the brokers are processes of Apache Kafka that this cluster started.
func (c *Cluster) Apache() bool { return len(c.brokers) > 0 }

// Size returns the number of Apache Kafka brokers that this cluster started, and that Kill accepts.
func (c *Cluster) Size() int { return len(c.brokers) }

// Addrs returns the brokers' addresses (host:port) for clients.
func (c *Cluster) Addrs() []string {
	switch {
	case c.fake != nil:
		return c.fake.ListenAddrs()
	case c.external != nil:
		return slices.Clone(c.external)
	}
	addrs := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addrs[i] = b.advertised
	}
	return addrs
}

// InnerAddrs returns the addresses (host:port) that Apache Kafka brokers use among themselves. They work without TLS
// and SASL, and bypass the proxies of [Options.Advertise]. For other clusters they are those of Addrs.
func (c *Cluster) InnerAddrs() []string {
	if !c.Apache() {
		return c.Addrs()
	}
	addrs := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addrs[i] = loopback(b.ports.inner)
	}
	return addrs
}

// MutualTLSAddrs returns the addresses (host:port) of a secured cluster at which clients authenticate with a
// certificate instead of SASL. The principal of client.pem is "User:CN=client". For other clusters it returns nil.
func (c *Cluster) MutualTLSAddrs() []string {
	if !c.secure {
		return nil
	}
	addrs := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addrs[i] = loopback(b.ports.mutual)
	}
	return addrs
}

// Dir returns the folder with the brokers' files: the logs broker-1.log and so on and, for a secured cluster, ca.pem,
// client.pem, client.key, and other-ca.pem, whose authority signed no certificate here. Close removes the folder.
func (c *Cluster) Dir() string { return c.dir }

// Kill sends SIGKILL to broker i, counted from 0, and waits for its end. It does nothing if the broker does not run.
func (c *Cluster) Kill(i int) error { return c.withBroker(i, (*broker).kill) }

// Stop shuts broker i down. The broker hands over the leadership of its partitions first. After 20 seconds it is
// killed.
func (c *Cluster) Stop(i int) error { return c.withBroker(i, (*broker).stop) }

// Pause suspends broker i with SIGSTOP. Its connections stay open, but it does not answer.
func (c *Cluster) Pause(i int) error { return c.withBroker(i, (*broker).pause) }

// Resume continues broker i after Pause, with SIGCONT.
func (c *Cluster) Resume(i int) error { return c.withBroker(i, (*broker).resume) }

// Restart starts broker i again after Kill or Stop, with the same ports and data. It waits until the broker is a
// member of the cluster.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	return c.withBroker(i, func(b *broker) error {
		if err := b.start(); err != nil {
			return err
		}
		return c.awaitBroker(ctx, b)
	})
}

// Compact makes kfake compact its topics now. For Apache Kafka, which compacts in the background, it does nothing.
func (c *Cluster) Compact() {
	if c.fake != nil {
		c.fake.Compact()
	}
}

// Close kills the brokers that this cluster started, waits for their end and removes their files.
func (c *Cluster) Close() error {
	if c.fake != nil {
		c.fake.Close()
		return nil
	}
	var errs []error
	for _, b := range c.brokers {
		errs = append(errs, b.kill())
	}
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// withBroker calls f with broker i.
func (c *Cluster) withBroker(i int, f func(*broker) error) error {
	if !c.Apache() {
		return ErrUnsupported
	}
	if i < 0 || i >= len(c.brokers) {
		return fmt.Errorf("there is no broker %d: the cluster has %d, counted from 0", i, len(c.brokers))
	}
	return f(c.brokers[i])
}

// String returns the kind of brokers and their addresses.
func (c *Cluster) String() string {
	kind := "Apache Kafka"
	if c.fake != nil {
		kind = "kfake"
	}
	return kind + " on " + strings.Join(c.Addrs(), ",")
}
