package publisher

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
)

// unreached is a broker's address that could not be connected to.
type unreached struct {
	address string
	given   bool // by --brokers; else the cluster advertises it
	err     error
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

// dial connects to a broker, for both clients. Its errors tell an address that was given from one that the cluster
// advertises.
func (c Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, &unreached{address, slices.Contains(c.Brokers, address), err}
	}
	return conn, nil
}

// overTLS adds the handshake, as the transport of kafka-go does by itself.
func overTLS(dial dialFunc, config *tls.Config) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := config.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(address) // it was dialed
		}
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		conn := tls.Client(plain, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			plain.Close()
			return nil, err
		}
		return conn, nil
	}
}
