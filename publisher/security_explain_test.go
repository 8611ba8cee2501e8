package publisher

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What was last answered is the cause, and not the time that ran out.
func TestTheLastAnswerIsTheCause(t *testing.T) {
	for code, want := range map[kafka.Error]string{
		15: "transaction.state.log.replication.factor", 51: "have not ended the transaction before", 5: "answered until the time was over", 19: "min.insync.replicas",
	} {
		err := explain(fmt.Errorf("fence: %w", stopped(overdue(), code)))
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, "no broker answered") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d: %s", code, text)
		}
	}
	if text := explain(fmt.Errorf("fence: %w", stopped(overdue(), context.DeadlineExceeded))).Error(); !strings.Contains(text, "no broker answered in time") {
		t.Error(text)
	}
}

// overdue is a context whose time is over.
func overdue() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	cancel()
	return ctx
}

// An address that only the cluster has named is not blamed on --brokers.
func TestAdvertisedAddresses(t *testing.T) {
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	_, port, _ := net.SplitHostPort(unused.Addr().String())
	for _, tc := range []struct{ given, dialed, want string }{
		{"kafka:1", unused.Addr().String(), "the cluster advertises the broker 127.0.0.1:" + port + ", and nobody listens there: the broker is down, or its advertised.listeners"},
		{unused.Addr().String(), unused.Addr().String(), "no broker listens there: check --brokers"},
		{"kafka:1", "advertised.invalid:9092", "the cluster advertises the broker advertised.invalid:9092, and its host name is unknown here"},
		{"given.invalid:9092", "given.invalid:9092", "the broker's host name given.invalid is unknown: check --brokers"},
	} {
		_, err := Config{Brokers: []string{tc.given}}.dial(t.Context(), "tcp", tc.dialed)
		var dns *net.DNSError
		if errors.As(err, &dns) && !dns.IsNotFound {
			t.Logf("there is no name server: %v", err)
			continue
		}
		if err := explain(err); !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.dialed, err, tc.want)
		}
	}
}

// Each way in which TLS fails has its own line, from both clients.
func TestTLSThatFails(t *testing.T) {
	now := time.Now()
	good, goodKey := anHourAround(t, "broker")
	old, oldKey := selfSigned(t, "broker", now.Add(-2*time.Hour), now.Add(-time.Hour))
	young, youngKey := selfSigned(t, "broker", now.Add(time.Hour), now.Add(2*time.Hour))
	for _, tc := range []struct {
		name, certificate, key string
		change                 func(*tls.Config)
		want                   string
	}{
		{"expired", old, oldKey, nil, "the broker's certificate expired at " + now.Add(-time.Hour).UTC().Format("2006-01-02")},
		{"not valid yet", young, youngKey, nil, "the broker's certificate is not valid yet"},
		{"only old versions", good, goodKey, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, "must offer TLS 1.2 or 1.3"},
		{"wants a certificate", good, goodKey, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, "wants a client certificate (--tls-cert, --tls-key)"},
	} {
		pair, err := tls.X509KeyPair([]byte(tc.certificate), []byte(tc.key))
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}}
		if tc.change != nil {
			tc.change(config)
		}
		c := Config{Brokers: []string{handshakes(t, config)}, TopicPrefix: "x", Security: Security{TLS: true, CAFile: writeFile(t, t.TempDir(), "ca.pem", tc.certificate)}}
		for client, err := range map[string]error{"franz-go": check(t, c), "kafka-go": ask(t, c)} {
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, %s: %v, want %q", tc.name, client, err, tc.want)
			}
		}
	}
	for alert, want := range map[string]string{
		"expired certificate": "our certificate, because it has expired", "revoked certificate": "because it was revoked", "unknown certificate authority": "wants a client certificate",
		"unrecognized name": "--tls-server-name", "handshake failure": "no way of TLS in common", "internal error": "does not work",
	} {
		if text := explain(errors.New("remote error: tls: " + alert)).Error(); !strings.Contains(text, want) {
			t.Errorf("%s: %s", alert, text)
		}
	}
}

// handshakes is the address of a server that shakes hands and no more.
func handshakes(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Read(make([]byte, 100))
				conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// TLS to a server of something else is told from a broker that closes the connection.
func TestTLSToSomethingElse(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
			conn.Close()
		}
	}()
	c := Config{Brokers: []string{listener.Addr().String()}, TopicPrefix: "x", Security: Security{TLS: true}}
	for client, err := range map[string]error{"franz-go": check(t, c), "kafka-go": ask(t, c)} {
		if err == nil || !strings.Contains(err.Error(), "its port speaks no TLS") {
			t.Errorf("%s: %v", client, err)
		}
	}
}

// A controller's port closes the connection as one does that wants SASL, and is told from it.
func TestControllersPort(t *testing.T) {
	wants := func(t *testing.T, c Config) {
		for what, err := range map[string]error{"check": check(t, c), "create": CreateTopics(t.Context(), c, testTopics())} {
			if err == nil || !strings.HasPrefix(err.Error(), "this is a port of a KRaft controller") {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	t.Run("kfake", func(t *testing.T) {
		c := fakeCluster(t, 1)
		const metadata, versions = 3, 18
		c.Fake().ControlKey(metadata, func(kmsg.Request) (kmsg.Response, error, bool) {
			c.Fake().KeepControl()
			return nil, errors.New("not for clients"), true
		})
		c.Fake().ControlKey(versions, func(request kmsg.Request) (kmsg.Response, error, bool) {
			c.Fake().KeepControl()
			answer := request.ResponseKind().(*kmsg.ApiVersionsResponse)
			answer.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: versions, MaxVersion: 3}, {ApiKey: 52, MaxVersion: 1}}
			return answer, nil, true
		})
		wants(t, Config{Brokers: c.Addrs(), TopicPrefix: "x"})
	})
	t.Run("apache", func(t *testing.T) {
		cluster := apache.Cluster(t)
		if !cluster.Apache() {
			t.Skip("somebody else's broker")
		}
		text, err := os.ReadFile(cluster.Dir() + "/broker-1.properties")
		if err != nil {
			t.Fatal(err)
		}
		at := regexp.MustCompile(`CONTROLLER://([0-9.:]+)`).FindStringSubmatch(string(text))
		wants(t, Config{Brokers: at[1:], TopicPrefix: "x"})
	})
	t.Run("SASL is still told", func(t *testing.T) {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "canary"))
		if err != nil {
			t.Fatal(err)
		}
		defer fake.Close()
		if err := check(t, Config{Brokers: fake.ListenAddrs(), TopicPrefix: "x"}); err == nil || strings.Contains(err.Error(), "controller") || !strings.Contains(err.Error(), "SASL") {
			t.Error(err)
		}
	})
}

// A line does not advise what is set already, nor what is not.
func TestClosedConnections(t *testing.T) {
	login := Security{Mechanism: MechanismPlain, Username: "user", Password: "canary"}
	for _, tc := range []struct {
		err      error
		security Security
		want     string
	}{
		{io.ErrUnexpectedEOF, Security{}, "set --sasl-mechanism"},
		{io.ErrUnexpectedEOF, login, "during the login"},
		{io.EOF, login, "during the login"},
		{io.EOF, Security{}, "wants TLS (--tls)"},
		{io.EOF, Security{TLS: true}, "leave --tls away"},
	} {
		if text := (Config{Security: tc.security}).explain(tc.err).Error(); !strings.Contains(text, tc.want) {
			t.Errorf("%v: %s, want %q", tc.err, text, tc.want)
		}
	}
}
