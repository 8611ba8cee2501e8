package kafkatest

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed log4j2.properties
var log4j []byte

// errEnded means that a broker ended while it was starting, most often because another program took its port.
var errEnded = errors.New("the broker ended")

// StartApache starts an Apache Kafka cluster and waits until all brokers are members of it. The context limits the
// start only. The brokers run until [Cluster.Close] or the end of this program. At first use it downloads Apache Kafka
// with Maven.
func StartApache(ctx context.Context, o Options) (*Cluster, error) {
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	if o.Brokers != 1 && o.Brokers != 3 {
		return nil, fmt.Errorf("a cluster has 1 or 3 brokers, not %d", o.Brokers)
	}
	folder, err := jars(ctx, cmp.Or(o.Version, Version))
	if err != nil {
		return nil, err
	}
	const attempts = 3 // another program may take a port before the broker listens on it
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, folder, o)
		if err == nil || attempt == attempts || !errors.Is(err, errEnded) {
			return c, err
		}
	}
}

func start(ctx context.Context, folder string, o Options) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "farmwire-kafka-")
	if err != nil {
		return nil, fmt.Errorf("start Apache Kafka: %w", err)
	}
	c := &Cluster{dir: dir, classPath: filepath.Join(folder, "*"), secure: o.Security != nil}
	err = c.launch(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Apache Kafka: %w", err), c.Close())
	}
	return c, nil
}

func (c *Cluster) launch(ctx context.Context, o Options) error {
	if err := c.assignPorts(o); err != nil {
		return err
	}
	if o.Security != nil {
		if err := writeCertificates(c.dir); err != nil {
			return err
		}
	}
	if err := c.writeFiles(o); err != nil {
		return err
	}
	if err := c.format(ctx, o); err != nil {
		return err
	}
	for _, b := range c.brokers {
		if err := b.start(); err != nil {
			return err
		}
	}
	for _, b := range c.brokers {
		if err := c.awaitBroker(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// assignPorts gives each broker its ports.
func (c *Cluster) assignPorts(o Options) error {
	taken := map[int]bool{}
	for i := range o.Brokers {
		b := &broker{id: i + 1, dir: c.dir}
		for _, port := range []*int{&b.ports.client, &b.ports.inner, &b.ports.controller, &b.ports.mutual} {
			free, err := freePort(taken)
			if err != nil {
				return err
			}
			*port = free
		}
		if i < len(o.Ports) {
			b.ports.client = o.Ports[i]
		}
		b.advertised = loopback(b.ports.client)
		if o.Advertise != nil {
			b.advertised = o.Advertise(i, b.advertised)
		}
		c.brokers = append(c.brokers, b)
	}
	return nil
}

func (c *Cluster) writeFiles(o Options) error {
	logging := filepath.Join(c.dir, "log4j2.properties")
	if err := os.WriteFile(logging, log4j, 0o600); err != nil {
		return err
	}
	for _, b := range c.brokers {
		if err := os.WriteFile(b.configFile(), encode(properties(o, b, c.brokers)), 0o600); err != nil {
			return err
		}
		b.args = append([]string{"-Xms128m", "-Xmx384m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-Xshare:auto", "-Djava.awt.headless=true", "-Dlog4j2.configurationFile=" + logging}, o.JVM...)
		b.args = append(b.args, "-cp", c.classPath, "kafka.Kafka", b.configFile())
	}
	return nil
}

func (b *broker) configFile() string {
	return filepath.Join(b.dir, fmt.Sprintf("broker-%d.properties", b.id))
}

func (b *broker) data() string { return filepath.Join(b.dir, fmt.Sprintf("broker-%d.data", b.id)) }

// format formats the brokers' data folders. Starting the JVM for the storage tool is slow. So the tool runs only for
// the first broker, and the others get copies with their own ids.
func (c *Cluster) format(ctx context.Context, o Options) error {
	first := c.brokers[0]
	args := append([]string{"format", "--cluster-id", newID(), "--config", first.configFile()}, scramArguments(o.Security)...)
	if output, err := c.tool(ctx, "kafka.tools.StorageTool", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the storage: %w\n%s", err, output)
	}
	for _, b := range c.brokers[1:] {
		if err := os.CopyFS(b.data(), os.DirFS(first.data())); err != nil {
			return fmt.Errorf("format the storage: %w", err)
		}
		if err := b.setIDs(); err != nil {
			return fmt.Errorf("format the storage: %w", err)
		}
	}
	return nil
}

// setIDs writes the broker's own ids to the copied data folder.
func (b *broker) setIDs() error {
	file := filepath.Join(b.data(), "meta.properties")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		switch name, _, _ := strings.Cut(line, "="); name {
		case "node.id":
			lines[i] = "node.id=" + strconv.Itoa(b.id)
		case "directory.id":
			lines[i] = "directory.id=" + newID()
		}
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600)
}

// tool returns a command that runs one of Apache Kafka's tools, given by its main class.
func (c *Cluster) tool(ctx context.Context, class string, args ...string) *exec.Cmd {
	return toolCommand(ctx, c.classPath, class, args...)
}

// toolCommand is tool for a class path without a cluster.
func toolCommand(ctx context.Context, classPath, class string, args ...string) *exec.Cmd {
	java, err := javaCommand()
	if err != nil {
		java = "java" // starting it reports that it is missing
	}
	cmd := exec.CommandContext(ctx, java, append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Xshare:auto", "-cp", classPath, class}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8") // the JVM decodes its arguments by the locale, and they are UTF-8
	return cmd
}

// awaitBroker waits until the broker itself reports that it is a member of the cluster.
func (c *Cluster) awaitBroker(ctx context.Context, b *broker) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if b.isMember(ctx, len(c.brokers)) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("broker %d is not ready: %w; its log ends with:\n%s", b.id, ctx.Err(), b.logTail())
		case <-b.process.Ended():
			return fmt.Errorf("broker %d: %w; its log ends with:\n%s", b.id, errEnded, b.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// isMember asks the broker whether it is a member of the cluster and sees a majority of the brokers.
func (b *broker) isMember(ctx context.Context, size int) bool {
	addr := loopback(b.ports.inner)
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return false
	}
	defer client.Close()
	members, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil || 2*len(members.Brokers) <= size {
		return false
	}
	for _, id := range members.Brokers.NodeIDs() {
		if int(id) == b.id {
			return true
		}
	}
	return false
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePort returns a free port. It is below the ports that the system assigns to outgoing connections, so that none
// of these takes it while the broker is down.
func freePort(taken map[int]bool) (int, error) {
	for range 1000 {
		port := 10_000 + mathrand.IntN(22_000)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		l.Close()
		taken[port] = true
		return port, nil
	}
	return 0, errors.New("no free loopback port")
}

// newID returns a random id in Kafka's form, 16 bytes in URL-safe base64.
func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	id[0] &= 0x7f        // no leading '-', which would look like a flag
	return base64.RawURLEncoding.EncodeToString(id)
}
