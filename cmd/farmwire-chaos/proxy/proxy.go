// Package proxy stands between clients and a server and disturbs what passes: a [Proxy] cuts, freezes or refuses TCP
// connections, and an [Interceptor] also holds single requests to Kafka brokers back, so that they arrive late.
package proxy

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on to one address until it is told to disturb them. [Proxy.Close] ends all connections
// and waits for the goroutines that serve them.
type Proxy struct {
	address  string
	upstream string
	filter   filter // nil: everything is passed on
	wg       sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil: connections are refused
	closed   bool
	frozen   *freeze              // nil: nothing is frozen
	open     map[net.Conn]*freeze // what holds back the connection alone; nil if nothing does
}

// filter returns what a proxy passes on of what a client sends.
type filter func(p *Proxy, client io.Reader) io.Reader

// freeze holds data back in one direction or in both.
type freeze struct {
	over        chan struct{}
	answersOnly bool // what clients send still passes
}

// Open starts a proxy on a free loopback port for the server at upstream (host:port).
func Open(upstream string) (*Proxy, error) { return open(upstream, nil) }

func open(upstream string, filter filter) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a proxy for %s: %w", upstream, err)
	}
	p := &Proxy{address: listener.Addr().String(), upstream: upstream, filter: filter, listener: listener, open: map[net.Conn]*freeze{}}
	p.wg.Go(func() { p.accept(listener) })
	return p, nil
}

// Addr is the address (host:port) for clients.
func (p *Proxy) Addr() string { return p.address }

// Refuse refuses new connections, as if no process listened, until Admit. Open connections stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

// Admit accepts connections again, on the same address.
func (p *Proxy) Admit() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("listen again for %s: %w", p.upstream, err)
	}
	p.listener = listener
	p.wg.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.forget(client)
	if !p.remember(client) {
		return
	}
	server, err := p.dial()
	if err != nil {
		return
	}
	defer p.forget(server)
	var both sync.WaitGroup
	for _, answers := range []bool{false, true} {
		both.Go(func() {
			p.pass(client, server, answers)
			reset(client)
			reset(server)
		})
	}
	both.Wait()
}

// pass copies one direction of a connection.
func (p *Proxy) pass(client, server net.Conn, answers bool) {
	var source io.Reader = client
	to := server
	switch {
	case answers:
		source, to = server, client
	case p.filter != nil:
		source = p.filter(p, client)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := source.Read(buffer)
		if n > 0 {
			p.awaitThaw(client, answers)
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// awaitThaw waits until the direction of a client's connection is not frozen.
func (p *Proxy) awaitThaw(client net.Conn, answers bool) {
	p.mu.Lock()
	all, one := p.frozen, p.open[client]
	p.mu.Unlock()
	for _, frozen := range []*freeze{all, one} {
		if frozen != nil && (answers || !frozen.answersOnly) {
			<-frozen.over
		}
	}
}

// dial connects to the server. The caller must forget the connection.
func (p *Proxy) dial() (net.Conn, error) {
	const timeout = 2 * time.Second
	server, err := net.DialTimeout("tcp", p.upstream, timeout)
	if err != nil {
		return nil, err
	}
	if !p.remember(server) {
		server.Close()
		return nil, net.ErrClosed
	}
	return server, nil
}

// remember adds a connection to those that are cut and closed. It returns false if the proxy is closed.
func (p *Proxy) remember(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[c] = nil
	}
	return !p.closed
}

// forget closes a connection.
func (p *Proxy) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// reset closes a connection so that its other end sees a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails only for a closed connection, which needs no reset
	}
	c.Close()
}

// Cut resets all open connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// Freeze passes nothing on for d, as if the cables were pulled, or only no answers. Then it resets the connections. It
// returns early when done is closed, and at once if the proxy is frozen already.
func (p *Proxy) Freeze(d time.Duration, answersOnly bool, done <-chan struct{}) {
	frozen := &freeze{over: make(chan struct{}), answersOnly: answersOnly}
	p.mu.Lock()
	if p.frozen != nil || p.closed {
		p.mu.Unlock()
		return
	}
	p.frozen = frozen
	p.mu.Unlock()
	select {
	case <-time.After(d):
	case <-done:
	}
	p.Cut()
	p.mu.Lock()
	p.frozen = nil
	p.mu.Unlock()
	close(frozen.over)
}

// Silence passes nothing on any more over the connections that are open now, and leaves them open. New connections work.
// This is what a router does that has forgotten the connections. It reports whether there are any, and returns a
// function that resets those that are left, which must be called, and only once.
func (p *Proxy) Silence() (any bool, over func()) {
	silent := &freeze{over: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		p.open[c] = silent
	}
	return len(p.open) > 0, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for c, by := range p.open {
			if by == silent {
				reset(c)
			}
		}
		close(silent.over)
	}
}

// exchange sends a request to the server over a connection of its own, and returns the answer without its size. It
// returns false if no answer came within two seconds.
func (p *Proxy) exchange(request []byte) (answer []byte, ok bool) {
	const timeout = 2 * time.Second
	server, err := p.dial()
	if err != nil {
		return nil, false
	}
	defer p.forget(server)
	if server.SetDeadline(time.Now().Add(timeout)) != nil {
		return nil, false
	}
	if _, err := server.Write(request); err != nil {
		return nil, false
	}
	size := make([]byte, 4)
	if _, err := io.ReadFull(server, size); err != nil {
		return nil, false
	}
	answer, err = io.ReadAll(io.LimitReader(server, int64(binary.BigEndian.Uint32(size))))
	return answer, err == nil
}

// Close ends the proxy. Every Freeze and Silence must be over.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Refuse()
	p.Cut()
	p.wg.Wait()
}
