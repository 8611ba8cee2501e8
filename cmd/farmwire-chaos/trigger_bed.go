package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/proxy"
	"farmwire/cmd/farmwire-chaos/receiver"
	"farmwire/publisher/kafkatest"
)

const (
	triggerPartitions = 6 // of each topic
	triggerAttempts   = 3
	webhookTimeout    = 2 * time.Second
	webhookAway       = 8 * time.Second // the longest time for which the receiver is away
	commandTimeout    = 15 * time.Second
	commandAway       = 3 * time.Second // shorter than the time-out: a command that is ended for its time was told no
)

// triggerGroups are the consumer groups. Each delivers every event.
var triggerGroups = [...]string{"webhook", "command"}

// triggerBed is everything that a campaign against farmwire trigger needs.
type triggerBed struct {
	dir, binary, self string
	kafka             *kafkatest.Cluster
	admin             *kadm.Client // past the proxies
	broker            *proxy.Proxy
	source            *source
	receiver          *receiver.Receiver
	server            *http.Server
	gates             map[string]*proxy.Proxy // before the receiver, by group
	background        sync.WaitGroup          // disturbances that go on while others follow

	mu      sync.Mutex
	members []*member // all, also those that have left
}

// member is an instance of farmwire trigger in a group.
type member struct {
	*instance.Instance
	group string
	left  bool
	still bool // stopped by SIGSTOP
}

func openTriggerBed(ctx context.Context, c *triggerCmd, dir string) (*triggerBed, error) {
	b := &triggerBed{dir: dir, binary: c.Farmwire, gates: map[string]*proxy.Proxy{}}
	if err := b.open(ctx, c); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *triggerBed) open(ctx context.Context, c *triggerCmd) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.binary == "" {
		b.binary = filepath.Join(b.dir, "farmwire")
		if err := instance.Build(ctx, b.binary); err != nil {
			return fmt.Errorf("%w\n--farmwire names one that is built already", err)
		}
	}
	if err := b.openKafka(ctx); err != nil {
		return err
	}
	if b.source, err = openSource(b.kafka.InnerAddrs(), c.Seed); err != nil {
		return err
	}
	if err := b.openReceiver(c.Seed); err != nil {
		return err
	}
	for _, group := range triggerGroups {
		for range c.Instances {
			if err := b.join(group); err != nil {
				return err
			}
		}
	}
	return nil
}

// openKafka starts a broker that the triggers reach through a proxy.
func (b *triggerBed) openKafka(ctx context.Context) (err error) {
	var failed error
	b.kafka, err = kafkatest.StartApache(ctx, kafkatest.Options{
		Advertise: func(_ int, addr string) string {
			if b.broker != nil {
				b.broker.Close()
			}
			if b.broker, failed = proxy.Open(addr); failed != nil {
				return addr
			}
			return b.broker.Addr()
		},
	})
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.InnerAddrs()...), kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	b.admin = kadm.NewClient(client)
	created, err := b.admin.CreateTopics(ctx, triggerPartitions, 1, nil, eventsTopic, endedTopic)
	if err != nil {
		return err
	}
	return created.Error()
}

// openReceiver starts the receiver, and a gate before it for each group.
func (b *triggerBed) openReceiver(seed uint64) error {
	old, key := slices.Repeat([]byte("old"), 10), slices.Repeat([]byte("key"), 10)
	secrets := ""
	for _, secret := range [][]byte{old, key} {
		secrets += "whsec_" + base64.StdEncoding.EncodeToString(secret) + "\n"
	}
	if err := os.WriteFile(b.secretFile(), []byte(secrets), 0o600); err != nil {
		return err
	}
	b.receiver = receiver.New(receiver.Config{Seed: seed, Attempts: triggerAttempts, Hang: 2 * webhookTimeout, Key: key})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.server = &http.Server{Handler: b.receiver}
	go func() { _ = b.server.Serve(listener) }()
	for _, group := range triggerGroups {
		gate, err := proxy.Open(listener.Addr().String())
		if err != nil {
			return err
		}
		b.gates[group] = gate
	}
	return nil
}

func (b *triggerBed) secretFile() string { return filepath.Join(b.dir, "secrets") }

// join starts a new member of a group.
func (b *triggerBed) join(group string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.members)
	i, err := instance.Start(instance.Config{
		Number: n, Binary: b.binary, LogFile: filepath.Join(b.dir, fmt.Sprintf("trigger-%d-%s.log", n, group)),
		Args: func(address, key string) []string { return b.args(group, n, address, key) },
	})
	if err == nil {
		b.members = append(b.members, &member{Instance: i, group: group})
	}
	return err
}

// args are the arguments of one process. By the URL the receiver knows which process has sent a request.
func (b *triggerBed) args(group string, number int, address, key string) []string {
	url := "http://" + b.gates[group].Addr() + "/" + group + "/" + key
	args := []string{"trigger", "--brokers", b.broker.Addr(), "--topic-prefix", instance.TopicPrefix, "--group", groupID(group),
		"--from", "beginning", "--include-vanished", "--attempts", strconv.Itoa(triggerAttempts),
		"--listen", address, "--log-format", "json"}
	if group == "command" {
		return append(args, "--command-timeout", commandTimeout.String(), "--", b.self, "post", url)
	}
	mode := []string{"binary", "structured"}[number%2]
	return append(args, "--webhook", url, "--webhook-mode", mode, "--webhook-timeout", webhookTimeout.String(),
		"--webhook-secret-file", b.secretFile())
}

func groupID(group string) string { return "chaos." + group }

// present returns the members of a group that have not left and are not stopped by SIGSTOP.
func (b *triggerBed) present(group string) []*member {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.members), func(m *member) bool { return m.left || m.still || m.group != group })
}

// pause stops a member for a time. It reports whether its process has lived to see the end of that.
func (b *triggerBed) pause(ctx context.Context, m *member, d time.Duration) bool {
	b.setStill(m, true)
	defer b.setStill(m, false)
	if !await(ctx, 3*time.Second, m.Pause) { // it may have no process at the moment
		return false
	}
	key := m.Key()
	pause(ctx, d)
	return m.Resume() && m.Key() == key
}

func (b *triggerBed) isStill(m *member) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return m.still
}

func (b *triggerBed) setStill(m *member, still bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.still = still
}

// everyone returns all members, also those that have left.
func (b *triggerBed) everyone() []*member {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.members)
}

// leave stops a member gracefully, and waits until its process has ended.
func (b *triggerBed) leave(ctx context.Context, m *member) {
	const most = 40 * time.Second // a stop waits half a minute for what is under way
	b.mu.Lock()
	m.left = true
	b.mu.Unlock()
	awaitBegun(ctx, m) // it may just have been killed
	m.Stop()
	select {
	case <-m.Done():
	case <-time.After(most):
	case <-ctx.Done():
	}
	m.End()
}

// close ends everything that was started.
func (b *triggerBed) close() error {
	b.background.Wait()
	for _, m := range b.everyone() {
		m.End()
	}
	if b.source != nil {
		b.source.client.Close()
	}
	if b.admin != nil {
		b.admin.Close()
	}
	var errs []error
	if b.server != nil {
		errs = append(errs, b.server.Close())
	}
	for _, gate := range b.gates {
		gate.Close()
	}
	if b.broker != nil {
		b.broker.Close()
	}
	if b.kafka != nil {
		errs = append(errs, b.kafka.Close())
	}
	return errors.Join(errs...)
}
