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

// ErrUnsupported is returned by what only an Apache Kafka cluster of our own can do.
var ErrUnsupported = errors.New("only an Apache Kafka cluster that kafkatest started can do this")

// Options describes an Apache Kafka cluster. The zero value is one broker without security.
type Options struct {
	// Version of Apache Kafka; "": [Version].
	Version string
	// Brokers is 1 (the default) or 3. Three brokers keep three replicas of a topic and want two in sync.
	Brokers int
	// Properties are added to every broker's server.properties and override what is there.
	Properties map[string]string
	// JVM are further arguments of every broker's JVM; of two that contradict each other the later counts.
	JVM []string
	// Ports are the ports for clients, one for each broker; by default free ones.
	Ports []int
	// Advertise returns the address under which clients find a broker (counted from 0) that listens on addr:
	// that of a proxy, say. By default they are told addr.
	Advertise func(broker int, addr string) string
	// Security requires TLS and SASL of clients, and checks ACLs.
	Security *Security
}

// Security is what a secured cluster requires. Clients connect to it at [Cluster.Addrs], where the protocol is SASL_SSL.
// [Cluster.InnerAddrs] stay open to everyone without TLS, as a super user: for tests to administer ACLs with.
type Security struct {
	// Mechanisms are the enabled SASL mechanisms, of PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; by default all three.
	Mechanisms []string
	// Users and their passwords, the same for every mechanism. None has any right until an ACL grants it.
	Users map[string]string
}

// Cluster is one or several brokers. Its methods may be called from any goroutine, but not two of them
// for the same broker at once.
type Cluster struct {
	fake    *kfake.Cluster
	outside []string // addresses of a cluster that was started elsewhere
	brokers []*broker
	dir     string // of the brokers' files
	cpath   string // the class path of the jars
	secure  bool
}

// StartFake starts kfake with the given number of brokers (0: one) inside this process.
// As with [StartApache], topics are not created automatically.
func StartFake(_ context.Context, brokers int) (*Cluster, error) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(max(brokers, 1)))
	if err != nil {
		return nil, fmt.Errorf("start kfake: %w", err)
	}
	return &Cluster{fake: fake}, nil
}

// Outside returns a cluster that was started elsewhere. Close leaves it running.
func Outside(addrs ...string) *Cluster { return &Cluster{outside: addrs} }

// Fake is the kfake cluster, to control faults with; nil for any other.
func (c *Cluster) Fake() *kfake.Cluster { return c.fake }

// Apache reports whether the brokers are processes of Apache Kafka that this cluster started.
func (c *Cluster) Apache() bool { return len(c.brokers) > 0 }

// Size is the number of brokers that Kill, Stop, Pause, Resume and Restart can be called for.
func (c *Cluster) Size() int { return len(c.brokers) }

// Addrs are the brokers' addresses (host:port) for clients.
func (c *Cluster) Addrs() []string {
	switch {
	case c.fake != nil:
		return c.fake.ListenAddrs()
	case c.outside != nil:
		return slices.Clone(c.outside)
	}
	addrs := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		addrs[i] = b.advertised
	}
	return addrs
}

// InnerAddrs are the addresses (host:port) that the brokers use among themselves: without TLS or SASL,
// and never through the proxies of [Options.Advertise]. For other clusters they are Addrs.
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

// MutualTLSAddrs are the addresses (host:port) of a secured cluster where a client shows a certificate
// instead of using SASL; its principal is "User:CN=client".
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

// Dir is the folder with the brokers' files: broker-1.log and so on, and the certificates of a secured
// cluster (ca.pem; client.pem and client.key; other-ca.pem, which signed nothing here). Close removes it.
func (c *Cluster) Dir() string { return c.dir }

// Kill sends SIGKILL to a broker (counted from 0) and waits for its end.
func (c *Cluster) Kill(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.kill()
}

// Stop ends a broker in an orderly way: it hands its leaderships over first. One that takes more than
// 20 seconds is killed.
func (c *Cluster) Stop(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.stop()
}

// Pause stops a broker (SIGSTOP). Its connections stay open, and it does not answer.
func (c *Cluster) Pause(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.pause()
}

// Resume lets a paused broker go on (SIGCONT).
func (c *Cluster) Resume(i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	return b.resume()
}

// Restart starts a broker again that was killed or stopped, on the same ports and data, and waits until
// it is a member of the cluster.
func (c *Cluster) Restart(ctx context.Context, i int) error {
	b, err := c.broker(i)
	if err != nil {
		return err
	}
	if err := b.start(); err != nil {
		return err
	}
	return c.awaitBroker(ctx, b)
}

// Compact lets kfake compact its topics at once. Apache Kafka does that by itself, by the topic's settings.
func (c *Cluster) Compact() {
	if c.fake != nil {
		c.fake.Compact()
	}
}

// Close kills the brokers, waits for their end and removes their files.
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

func (c *Cluster) broker(i int) (*broker, error) {
	if !c.Apache() {
		return nil, ErrUnsupported
	}
	if i < 0 || i >= len(c.brokers) {
		return nil, fmt.Errorf("no broker %d: there are %d", i, len(c.brokers))
	}
	return c.brokers[i], nil
}

// String names the kind and the addresses.
func (c *Cluster) String() string {
	kind := "Apache Kafka"
	if c.fake != nil {
		kind = "kfake"
	}
	return kind + " on " + strings.Join(c.Addrs(), ",")
}
