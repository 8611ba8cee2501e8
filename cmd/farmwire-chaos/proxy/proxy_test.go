package proxy

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"farmwire/internal/leaks"
)

// echoes serves lines back until the test ends.
func echoes(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// talk sends a line and reads it back.
func talk(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(ample)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "x\n"); err != nil {
		return err
	}
	_, err := bufio.NewReader(c).ReadString('\n')
	return err
}

func connect(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := talk(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProxy(t *testing.T) {
	t.Cleanup(func() { leaks.None(t) })
	p, err := Open(echoes(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)

	c := connect(t, p)
	p.Cut()
	if talk(c) == nil {
		t.Error("a connection that was cut still works")
	}
	c = connect(t, p)
	p.Refuse()
	if _, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Error("a proxy that refuses takes connections")
	}
	if err := talk(c); err != nil {
		t.Errorf("refuse has harmed an open connection: %v", err)
	}
	if err := p.Admit(); err != nil {
		t.Fatal(err)
	}
	connect(t, p)
}

func TestProxyFreezes(t *testing.T) {
	p, err := Open(echoes(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for _, answersOnly := range []bool{false, true} {
		c := connect(t, p)
		thaw, thawed := make(chan struct{}), make(chan struct{})
		go func() { defer close(thawed); p.Freeze(time.Minute, answersOnly, thaw) }()
		for p.flows() {
			time.Sleep(time.Millisecond)
		}
		heard := make(chan error, 1)
		go func() { heard <- talk(c) }()
		select {
		case err := <-heard:
			t.Errorf("an answer through a frozen proxy: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		close(thaw)
		<-thawed
		if err := <-heard; err == nil || errors.Is(err, io.ErrNoProgress) {
			t.Error("the connection outlived the freeze")
		}
		connect(t, p)
	}
}

func (p *Proxy) flows() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen == nil
}

// Connections that were open fall silent and stay open. New ones work.
func TestProxySilences(t *testing.T) {
	p, err := Open(echoes(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	none, over := p.Silence()
	over()
	old := connect(t, p)
	some, over := p.Silence()
	if none || !some {
		t.Errorf("silent connections, without one: %t; with one: %t", none, some)
	}
	heard := make(chan error, 1)
	go func() { heard <- talk(old) }()
	young := connect(t, p)
	select {
	case err := <-heard:
		t.Errorf("a silent connection says something: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	over()
	if <-heard == nil {
		t.Error("the connection outlived the silence")
	}
	if err := talk(young); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}
