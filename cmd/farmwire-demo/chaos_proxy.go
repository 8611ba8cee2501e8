package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// proxy passes TCP connections on to one address, until it is told to do harm: cut what is open, let it hang
// half-open, or refuse; before a broker it can also hold requests back. Whoever opens it closes it; Close ends all
// connections and waits.
type proxy struct {
	address  string
	upstream string
	traffic  *traffic // of a broker's clients; nil: it is no broker
	wg       sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil: connections are refused
	closed   bool
	frozen   *freeze // nil: nothing is frozen
	open     map[net.Conn]struct{}
}

// freeze holds back what comes, in one direction or in both.
type freeze struct {
	over        chan struct{}
	answersOnly bool // what clients send goes through
}

func openProxy(upstream string) (*proxy, error) { return listenFor(&proxy{upstream: upstream}) }

func openBrokerProxy(upstream string, t *traffic) (*proxy, error) {
	return listenFor(&proxy{upstream: upstream, traffic: t})
}

func listenFor(p *proxy) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a proxy for %s: %w", p.upstream, err)
	}
	p.address, p.listener, p.open = listener.Addr().String(), listener, map[net.Conn]struct{}{}
	p.wg.Go(func() { p.accept(listener) })
	return p, nil
}

func (p *proxy) addr() string { return p.address }

// refuse lets nobody connect, as if nobody listened, until admit.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

// admit listens again on the same address.
func (p *proxy) admit() error {
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

func (p *proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
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
	for _, answers := range []bool{false, true} {
		both.Go(func() {
			p.pass(client, server, answers)
			reset(client)
			reset(server)
		})
	}
	both.Wait()
}

// pass copies, and holds back what comes while the connections are frozen.
func (p *proxy) pass(client, server net.Conn, answers bool) {
	from, to := client, server
	if answers {
		from, to = server, client
	}
	var source io.Reader = from
	if p.traffic != nil && !answers {
		source = newRequests(p, from)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := source.Read(buffer)
		if n > 0 {
			p.thaw(answers)
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// thaw waits until the direction is not frozen.
func (p *proxy) thaw(answers bool) {
	p.mu.Lock()
	frozen := p.frozen
	p.mu.Unlock()
	if frozen != nil && (answers || !frozen.answersOnly) {
		<-frozen.over
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

// freeze lets nothing through for d, as if cables were pulled, or no answers, and resets the connections then.
func (p *proxy) freeze(d time.Duration, answersOnly bool, done <-chan struct{}) {
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
	p.cut()
	p.mu.Lock()
	p.frozen = nil
	p.mu.Unlock()
	close(frozen.over)
}

// Close ends the proxy. A freeze must have ended.
func (p *proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.refuse()
	p.cut()
	p.wg.Wait()
}
