package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The last answer is the cause, and not the time that ran out.
func TestTheLastAnswerIsTheCause(t *testing.T) {
	for answer, want := range map[error]Kind{
		kafka.Error(15): CoordinatorUnavailable, kafka.Error(5): NoUsableAnswer, kafka.Error(19): TooFewInSync, errors.New("none"): NoAnswer,
	} {
		err := Config{}.Explain(fmt.Errorf("fence: %w; last answer: %w", context.DeadlineExceeded, answer))
		if kindOf(err) != want || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", answer, err)
		}
	}
}

// An address that only the cluster has named is not blamed on the bootstrap brokers.
func TestAdvertisedAddresses(t *testing.T) {
	const nobody = "127.0.0.1:1" // a port that the system gives to no other test
	for _, tc := range []struct{ given, dialed, want string }{
		{"kafka:1", nobody, "the cluster advertises the broker " + nobody + ", and nobody listens there: the broker is down, or its advertised.listeners"},
		{nobody, nobody, "no broker listens there"},
		{"kafka:1", "advertised.invalid:9092", "the cluster advertises the broker advertised.invalid:9092, and its host name is unknown here"},
		{"given.invalid:9092", "given.invalid:9092", "the broker's host name given.invalid is unknown"},
	} {
		_, err := Config{Brokers: []string{tc.given}}.dial(t.Context(), "tcp", tc.dialed)
		var dns *net.DNSError
		if errors.As(err, &dns) && !dns.IsNotFound {
			t.Logf("there is no name server: %v", err)
			continue
		}
		if err := (Config{}).Explain(err); !strings.HasPrefix(err.Error(), tc.want) {
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
		{"wants a certificate", good, goodKey, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, "requires a client certificate"},
	} {
		pair, err := tls.X509KeyPair([]byte(tc.certificate), []byte(tc.key))
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}}
		if tc.change != nil {
			tc.change(config)
		}
		c := Config{Brokers: []string{handshakes(t, config)}, TLS: TLS{Enabled: true, CAFile: writeFile(t, t.TempDir(), "ca.pem", tc.certificate)}}
		for client, err := range reach(t, c) {
			if err = c.Explain(err); err == nil || !strings.HasPrefix(err.Error(), tc.want) && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s, %s: %v, want %q", tc.name, client, err, tc.want)
			}
		}
	}
	for alert, want := range map[string]Kind{
		"expired certificate": ClientCertificateRefused, "revoked certificate": ClientCertificateRefused, "unknown certificate authority": ClientCertificateRequired,
		"unrecognized name": ServerNameMismatch, "handshake failure": TLSHandshakeRefused, "internal error": TLSBroken,
	} {
		if err := (Config{}).Explain(errors.New("remote error: tls: " + alert)); kindOf(err) != want {
			t.Errorf("%s: %v", alert, err)
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
	c := Config{Brokers: []string{listener.Addr().String()}, TLS: TLS{Enabled: true}}
	for client, err := range reach(t, c) {
		if kind := kindOf(c.Explain(err)); kind != TLSNotSpoken && kind != ClosedWithTLS {
			t.Errorf("%s: %v", client, err)
		}
	}
}

// The port of a controller closes the connection as a port that requires SASL does, and is told from it.
func TestControllersPort(t *testing.T) {
	explained := func(c Config) error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return c.ExplainClosed(ctx, reach(t, c)["franz-go"])
	}
	controller, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer controller.Close()
	const metadata, versions = 3, 18
	controller.ControlKey(metadata, func(kmsg.Request) (kmsg.Response, error, bool) {
		controller.KeepControl()
		return nil, errors.New("not for clients"), true
	})
	controller.ControlKey(versions, func(request kmsg.Request) (kmsg.Response, error, bool) {
		controller.KeepControl()
		answer := request.ResponseKind().(*kmsg.ApiVersionsResponse)
		answer.ApiKeys = []kmsg.ApiVersionsResponseApiKey{{ApiKey: versions, MaxVersion: 3}, {ApiKey: 52, MaxVersion: 1}}
		return answer, nil, true
	})
	if err := explained(Config{Brokers: controller.ListenAddrs()}); kindOf(err) != ControllerPort {
		t.Error(err)
	}
	secured, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", "user", "canary"))
	if err != nil {
		t.Fatal(err)
	}
	defer secured.Close()
	if err := explained(Config{Brokers: secured.ListenAddrs()}); kindOf(err) != SASLRequired && kindOf(err) != ClosedAtOnce {
		t.Error(err)
	}
}

// An explanation leaves out causes that the configuration rules out.
func TestClosedConnections(t *testing.T) {
	login := SASL{Mechanism: MechanismPlain, Username: "user", Password: "canary"}
	for _, tc := range []struct {
		err    error
		config Config
		want   Kind
	}{
		{io.ErrUnexpectedEOF, Config{}, SASLRequired},
		{io.ErrUnexpectedEOF, Config{SASL: login}, ClosedInLogin},
		{io.EOF, Config{SASL: login}, ClosedInLogin},
		{io.EOF, Config{}, ClosedWithoutTLS},
		{io.EOF, Config{TLS: TLS{Enabled: true}}, ClosedWithTLS},
	} {
		if err := tc.config.Explain(tc.err); kindOf(err) != tc.want {
			t.Errorf("%v: %v, want %q", tc.err, err, tc.want)
		}
	}
}
