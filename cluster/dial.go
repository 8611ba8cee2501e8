package cluster

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// unreached is the error of a connection attempt to a broker's address.
type unreached struct {
	address   string
	bootstrap bool // the address is one of the bootstrap brokers; otherwise the cluster advertises it
	err       error
}

// Error names the address.
func (e *unreached) Error() string {
	text := e.err.Error()
	if strings.Contains(text, e.address) {
		return text
	}
	return e.address + ": " + text
}

func (e *unreached) Unwrap() error { return e.err }

func (c Config) unreached(address string, err error) error {
	return &unreached{address, slices.Contains(c.Brokers, address), err}
}

// dial connects to a broker, for both clients. Its error says whether the address is one of the bootstrap brokers or one that
// the cluster advertises.
//
// If the host's name has several addresses, the dialer divides its time among them, but gives the first ones two seconds at
// least. So it gets connectTimeout for each of them.
func (c Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx, network, address)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	looking, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	all, err := net.DefaultResolver.LookupHost(looking, host)
	if err != nil {
		return nil, c.unreached(address, err)
	}
	dialer := net.Dialer{Timeout: min(time.Duration(len(all))*connectTimeout, DialTimeout)}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, c.unreached(address, err)
	}
	return conn, nil
}

// overTLS adds the TLS handshake to dial. Only franz-go needs it: the transport of kafka-go does the handshake itself.
func overTLS(dial dialFunc, config *tls.Config) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := config.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address) // address is valid, because it was dialed
		}
		ctx, cancel := context.WithTimeout(ctx, DialTimeout-connectTimeout)
		defer cancel()
		conn := tls.Client(plain, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		return conn, nil
	}
}
