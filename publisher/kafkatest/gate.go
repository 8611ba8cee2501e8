package kafkatest

import (
	"net"
	"sync"
)

// Gate stands between clients and the brokers of a kfake cluster whose option ListenFn is its Listen. A new Gate is open. Its
// methods are safe for concurrent use.
type Gate struct {
	mu     sync.Mutex
	state  gateState
	turned chan struct{} // closed when the state changes
	conns  map[*gatedConn]struct{}
}

type gateState int

const (
	gateOpen gateState = iota
	gateFrozen
	gateClosed
)

// NewGate makes a Gate that is open.
func NewGate() *Gate {
	return &Gate{turned: make(chan struct{}), conns: make(map[*gatedConn]struct{})}
}

// Open lets everything pass, also what a frozen gate has kept back.
func (g *Gate) Open() { g.turn(gateOpen) }

// Freeze keeps all requests and answers back, as brokers that stand still. Connections stay open, and new ones are accepted.
func (g *Gate) Freeze() { g.turn(gateFrozen) }

// Close breaks all connections, and closes every new one at once.
func (g *Gate) Close() {
	g.turn(gateClosed)
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		c.Conn.Close()
	}
}

func (g *Gate) turn(s gateState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = s
	close(g.turned)
	g.turned = make(chan struct{})
}

// Listen listens like [net.Listen], behind the gate.
func (g *Gate) Listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address)
	return gatedListener{l, g}, err
}

type gatedListener struct {
	net.Listener
	gate *Gate
}

// Accept waits for a connection that the gate lets in.
func (l gatedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.gate.admit(conn); c != nil {
			return c, nil
		}
		conn.Close()
	}
}

func (g *Gate) admit(conn net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == gateClosed {
		return nil
	}
	c := &gatedConn{Conn: conn, gate: g, closed: make(chan struct{})}
	g.conns[c] = struct{}{}
	return c
}

type gatedConn struct {
	net.Conn
	gate   *Gate
	once   sync.Once
	closed chan struct{}
}

// pass waits while the gate is frozen.
func (c *gatedConn) pass() {
	for {
		c.gate.mu.Lock()
		state, turned := c.gate.state, c.gate.turned
		c.gate.mu.Unlock()
		if state != gateFrozen {
			return
		}
		select {
		case <-turned:
		case <-c.closed:
			return
		}
	}
}

// Read reads what a client has sent.
func (c *gatedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pass()
	return n, err
}

// Write sends an answer.
func (c *gatedConn) Write(b []byte) (int, error) {
	c.pass()
	return c.Conn.Write(b)
}

// Close closes the connection.
func (c *gatedConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.gate.mu.Lock()
		delete(c.gate.conns, c)
		c.gate.mu.Unlock()
	})
	return c.Conn.Close()
}
