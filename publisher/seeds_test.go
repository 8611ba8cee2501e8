package publisher

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/cluster"
	"farmwire/diff"
)

// relay listens, and passes each connection on to a broker until it is closed.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

// newRelay makes a relay. pass copies what a client sends to the broker, and what the broker answers back.
func newRelay(t *testing.T, pass func(client, broker net.Conn), broker string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener}
	t.Cleanup(r.close)
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.keep(client)
			if broker == "" {
				continue
			}
			if to, err := net.Dial("tcp", broker); err == nil {
				r.keep(to)
				go pass(client, to)
			}
		}
	}()
	return r
}

func (r *relay) keep(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns = append(r.conns, conn)
}

func (r *relay) addr() string { return r.listener.Addr().String() }

// close breaks all connections. From then on nobody listens at the address.
func (r *relay) close() {
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, conn := range r.conns {
		conn.Close()
	}
}

func passAll(client, broker net.Conn) {
	go func() { _, _ = io.Copy(client, broker); client.Close() }()
	_, _ = io.Copy(broker, client)
	broker.Close()
}

// hangs is the address of a broker that accepts connections and never answers.
func hangs(t *testing.T) string { return newRelay(t, nil, "").addr() }

// blackHole is an address that does not even answer a connection attempt, because its queue of connections is full.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 20 {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this system takes any number of connections")
	return ""
}

// closes is the address of a broker that closes each connection after the first request.
func closes(t *testing.T) string {
	return newRelay(t, func(client, broker net.Conn) {
		_, _ = client.Read(make([]byte, 1<<10))
		client.Close()
		broker.Close()
	}, hangs(t)).addr()
}

// With one bootstrap broker of three that does not answer, every start succeeds: the check, the proof, and what run does. The
// proof tells of a broker that closes connections, because that is what it looks for.
func TestOneSilentSeed(t *testing.T) {
	for name, silent := range map[string]func(*testing.T) string{"black hole": blackHole, "accepts and hangs": hangs, "accepts and closes": closes} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := testConfig(t, fakeCluster(t, 2).Addrs())
			c.Cluster.Brokers = append([]string{silent(t)}, c.Cluster.Brokers...)
			timed := func(what string, call func(ctx context.Context) error) {
				t.Helper()
				began := time.Now()
				if err := call(deadline(t, time.Minute)); err != nil {
					t.Errorf("%s: %v after %v", what, err, time.Since(began))
				}
			}
			for range 4 {
				timed("create", func(ctx context.Context) error { _, err := CreateTopics(ctx, c, testTopics()); return err })
				timed("check", func(ctx context.Context) error { _, err := CheckTopics(ctx, c, testTopics()); return err })
				if name != "accepts and closes" {
					timed("prove", func(ctx context.Context) error { _, err := Prove(ctx, c); return err })
				}
				timed("start", func(ctx context.Context) error {
					p, err := Open(ctx, c, testTopics(), testLog(t), nil)
					if err != nil {
						return err
					}
					defer p.Close()
					if err := p.Initialize(ctx); err != nil {
						return err
					}
					if _, err = p.Acquire(ctx, 0); err != nil {
						return err
					}
					joined, stop := context.WithCancel(ctx)
					return p.Join(joined, func(ctx context.Context, _ int) error { stop(); <-ctx.Done(); return nil })
				})
			}
		})
	}
}

// When the only bootstrap broker is gone after the start, the other brokers are asked for coordinators and metadata.
func TestSeedsAreLearned(t *testing.T) {
	c := testConfig(t, fakeCluster(t, 3).Addrs())
	seed := newRelay(t, passAll, c.Cluster.Brokers[0])
	c.Cluster.Brokers = []string{seed.addr()}
	p := testOpen(t, c)
	s := acquire(t, p, 0)
	seed.close()
	ctx := deadline(t, time.Minute)
	for n := range 3 {
		changes := []diff.Changes{changesOf(started(session(0, n)))}
		if err := s.Publish(ctx, changes); err != nil {
			t.Fatal(err)
		}
	}
	for shard := range testPartitions { // asks for coordinators
		if _, err := p.Acquire(ctx, shard); err != nil {
			t.Fatal(err)
		}
	}
	before, err := p.brokers.metadata(ctx)
	if err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "the metadata is renewed", func() bool {
		now, err := p.brokers.metadata(ctx)
		return err == nil && &now.Brokers[0] != &before.Brokers[0] // another answer
	})
}

// A broker that stops answering during the login by SASL holds the transport up only until the login's deadline.
func TestSilenceInLogin(t *testing.T) {
	t.Parallel()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "password"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	var silent atomic.Bool // the next connection
	seed := newRelay(t, func(client, broker net.Conn) {
		if !silent.Swap(false) {
			passAll(client, broker)
			return
		}
		go func() { _, _ = io.Copy(client, broker) }()
		passUntil(client, broker, kmsg.SASLHandshake)
	}, fake.ListenAddrs()[0])
	for name, ask := range map[string]func(context.Context, Config) error{
		"kafka-go": func(ctx context.Context, c Config) error {
			transport, err := c.Cluster.Transport()
			if err != nil {
				return err
			}
			b := newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics())
			defer b.close()
			return b.repeat(ctx, "ask", func(ctx context.Context) error { _, err := b.metadata(ctx); return err })
		},
		"franz-go": func(ctx context.Context, c Config) error {
			client, err := c.adminClient(ctx)
			if err != nil {
				return err
			}
			defer client.Close()
			_, err = kadm.NewClient(client).ListTopics(ctx)
			return err
		},
	} {
		silent.Store(true)
		c := Config{TopicPrefix: "login", Cluster: cluster.Config{Brokers: []string{seed.addr()},
			SASL: cluster.SASL{Mechanism: cluster.MechanismPlain, Username: "user", Password: "password"}}}
		began := time.Now()
		if err := ask(deadline(t, 6*cluster.DialTimeout), c); err != nil {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("%s: the silent connection was not used: %v", name, took)
		}
	}
}

// A broker that accepts connections and never answers a TLS handshake holds neither client up for longer than a login may take.
func TestSilenceInTLS(t *testing.T) {
	t.Parallel()
	c := Config{TopicPrefix: "login", Cluster: cluster.Config{Brokers: []string{hangs(t)}, TLS: cluster.TLS{Enabled: true}}}
	began := time.Now()
	transport, err := c.Cluster.Transport()
	if err != nil {
		t.Fatal(err)
	}
	b := newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics())
	defer b.close()
	ctx := deadline(t, time.Minute)
	if _, err := b.metadata(ctx); !cluster.IsTimeout(err) || ctx.Err() != nil {
		t.Errorf("kafka-go: %v", err)
	}
	options, err := c.Cluster.ClientOptions()
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(append(options, kgo.RequestRetries(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(ctx); !cluster.IsTimeout(err) || ctx.Err() != nil {
		t.Errorf("franz-go: %v", err)
	}
	if took := time.Since(began); took > 6*cluster.DialTimeout { // each takes one, and the rest is room for a busy machine
		t.Errorf("both took %v", took)
	}
}

// passUntil passes requests on up to the first one of a kind.
func passUntil(client, broker net.Conn, last kmsg.Key) {
	for {
		head := make([]byte, 6) // its length, and the request's key
		if _, err := io.ReadFull(client, head); err != nil || kmsg.Key(binary.BigEndian.Uint16(head[4:])) == last {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head)-2)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if _, err := broker.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// A seed that failed is left alone while there is another. When all have failed, the brokers that were named last are seeds too.
func TestSeeds(t *testing.T) {
	s := newSeeds([]string{"a:1", "b:1"})
	broken := errors.New("broken")
	was := s.current()
	s.failed("a:1", broken)
	if s.avoid("a:1") != broken || s.avoid("b:1") != nil {
		t.Error("the seed that failed is not avoided, or the other is")
	}
	s.learn([]metadata.ResponseBroker{{Host: "a", Port: 1}, {Host: "c", Port: 1}})
	if s.current() != was {
		t.Error("other seeds although one is left")
	}
	s.worked("a:1")
	s.failed("b:1", broken)
	if s.avoid("a:1") != nil || s.avoid("b:1") != broken {
		t.Error("the seed that works is avoided, or the other is not")
	}
	s.failed("a:1", broken)
	if s.avoid("a:1") != nil || s.avoid("b:1") != nil {
		t.Error("no seed is left")
	}
	if got := s.current().String(); got != "b:1,a:1,c:1" {
		t.Errorf("the seeds are %s", got)
	}
	many := make([]metadata.ResponseBroker, 10*maxSeeds)
	for i := range many {
		many[i] = metadata.ResponseBroker{Host: "d", Port: int32(i)}
	}
	s.learn(many)
	for _, address := range s.current().all {
		s.failed(address, broken)
	}
	if got := s.current().all; len(got) != 2+maxSeeds || !slices.Equal(got[:2], []string{"a:1", "b:1"}) {
		t.Errorf("%d seeds: %q", len(got), got)
	}
}
