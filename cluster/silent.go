package cluster

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// silentPause is how long a broker that did not answer in time is left alone.
const silentPause = time.Second

// silent remembers the brokers that did not answer in time, for franz-go. That client tries a broker a second time before it
// goes on to the next one, and with a broker that accepts connections and never answers it would spend twice the time of a
// login. So for a moment silent refuses such a broker.
type silent struct {
	dial dialFunc
	mu   sync.Mutex
	last map[string]silence // by address; an entry is removed when the broker is dialed again
}

type silence struct {
	at  time.Time
	err error
}

func newSilent(dial dialFunc) *silent { return &silent{dial: dial, last: make(map[string]silence)} }

// connect connects to a broker. If the broker has just been silent, it returns the error of then.
func (s *silent) connect(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	last := s.last[address]
	delete(s.last, address)
	s.mu.Unlock()
	if last.err != nil && time.Since(last.at) < silentPause {
		return nil, last.err
	}
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		return nil, s.remember(address, err)
	}
	return &heardConn{conn, address, s}, nil
}

// remember remembers an error if it says that the time ran out. It returns the error.
func (s *silent) remember(address string, err error) error {
	if err != nil && IsTimeout(err) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last[address] = silence{time.Now(), err}
	}
	return err
}

// heardConn is a connection to a broker that may be silent.
type heardConn struct {
	net.Conn
	address string
	silent  *silent
}

// Read reads from the connection.
func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.silent.remember(c.address, err)
}

// SetDeadline also closes the connection if the deadline has passed. When a client is closed, franz-go sets such a deadline to
// interrupt the client's connections. A read that begins at the same moment replaces the deadline by its own, and would wait
// until then for the broker.
func (c *heardConn) SetDeadline(t time.Time) error {
	err := c.Conn.SetDeadline(t)
	if !t.IsZero() && !t.After(time.Now()) {
		return errors.Join(err, c.Close())
	}
	return err
}
