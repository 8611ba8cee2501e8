package publisher

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// connections knows all open connections, so that close can close them. The transport closes only idle ones, and a connection
// that waits for an answer would stay open until its deadline. connections also counts how often a connection has broken,
// because the broker may have stopped then.
type connections struct {
	next   dialFunc
	seeds  *seeds
	mu     sync.Mutex
	closed bool
	broken uint64 // how often reading or writing has failed
	open   map[*connection]struct{}
}

func newConnections(next dialFunc, s *seeds) *connections {
	if next == nil {
		next = new(net.Dialer).DialContext
	}
	return &connections{next: next, seeds: s, open: make(map[*connection]struct{})}
}

// dial connects to a broker. It does not try a seed that failed lately while there is another one.
func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if network == seedDialed {
		if err := c.seeds.avoid(address); err != nil {
			return nil, err
		}
		network = "tcp"
	}
	conn, err := c.next(ctx, network, address)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			c.seeds.failed(address, err)
		}
		return nil, err
	}
	opened := &connection{Conn: conn, of: c, address: address}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.open[opened] = struct{}{}
	return opened, nil
}

// breaks returns how often a connection has broken so far.
func (c *connections) breaks() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken
}

func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	open := c.open
	c.open = nil
	c.mu.Unlock()
	for conn := range open {
		conn.Conn.Close()
	}
}

type connection struct {
	net.Conn
	of        *connections
	address   string
	deadlines atomic.Int32 // how often a deadline was set: first for the login, and then for each request
}

// SetDeadline sets the time after which reading and writing fail. It ignores the zero time, which would remove the deadline.
// The transport removes it before the login by SASL, and a broker that did not answer then would hold up whatever waits for
// the connection, forever. It also removes the deadline after each request. Nothing reads the connection then, and the next
// request sets a deadline of its own.
func (c *connection) SetDeadline(at time.Time) error {
	if at.IsZero() {
		return nil
	}
	if c.deadlines.Add(1) > 1 {
		c.of.seeds.worked(c.address) // a request follows, so the login has succeeded
	}
	return c.Conn.SetDeadline(at)
}

// Read reads from the connection. It counts a failure.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.counted(err)
}

// Write writes to the connection. It counts a failure.
func (c *connection) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.counted(err)
}

// counted counts an error after which the broker may have been started again, and returns it. It does not count a deadline
// that has passed: then either the broker has not stopped, or its host is away for longer than its session.
func (c *connection) counted(err error) error {
	if err != nil && c.deadlines.Load() < 2 {
		c.of.seeds.failed(c.address, err)
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.of.mu.Lock()
		c.of.broken++
		c.of.mu.Unlock()
	}
	return err
}

// Close closes the connection and forgets it.
func (c *connection) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
