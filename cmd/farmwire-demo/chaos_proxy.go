package main

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// proxy passes TCP connections on to one address, until it is told to do harm: cut what is open, or let
// it hang half-open. Whoever opens it closes it; Close ends all connections and waits.
type proxy struct {
	listener net.Listener
	upstream string
	wg       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	frozen chan struct{} // closed when the frozen connections go on; nil: nothing is frozen
	open   map[net.Conn]struct{}
}

func openProxy(upstream string) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a proxy for %s: %w", upstream, err)
	}
	p := &proxy{listener: listener, upstream: upstream, open: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *proxy) serve(client net.Conn) {
	defer p.forget(client)
	if !p.remember(client) {
		return
	}
	server, err := net.DialTimeout("tcp", p.upstream, 2*time.Second)
	if err != nil {
		return
	}
	defer p.forget(server)
	if !p.remember(server) {
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			p.pass(way[0], way[1])
			reset(way[0])
			reset(way[1])
		})
	}
	both.Wait()
}

// pass copies, and holds back what comes while the connections are frozen.
func (p *proxy) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.thaw()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// thaw waits until nothing is frozen.
func (p *proxy) thaw() {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

func (p *proxy) remember(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.open[c] = struct{}{}
	}
	return !p.closed
}

func (p *proxy) forget(c net.Conn) {
	c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
}

// reset closes a connection so that the other side sees a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a connection that is closed already has nothing to linger
	}
	c.Close()
}

// cut resets all open connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		reset(c)
	}
}

// freeze lets nothing through for d, as if cables were pulled, and resets the connections then.
func (p *proxy) freeze(d time.Duration, done <-chan struct{}) {
	frozen := make(chan struct{})
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
	p.cut()
	p.mu.Lock()
	p.frozen = nil
	p.mu.Unlock()
	close(frozen)
}

// Close ends the proxy. A freeze must have ended.
func (p *proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
	p.cut()
	p.wg.Wait()
}
