//go:build unix

package trigger

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/publisher/kafkatest"
)

// apache is shared by the tests of this package.
var apache kafkatest.Shared

// dialFunc connects to a broker.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// onBrokers runs a test on kfake and on Apache Kafka.
func onBrokers(t *testing.T, test func(t *testing.T, s *source)) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) { onFake(t, func(t *testing.T, s *source, _ fake) { test(t, s) }) })
	t.Run("apache", func(t *testing.T) {
		var dialer net.Dialer
		test(t, newSource(t, apache.Cluster(t).Addrs(), dialer.DialContext))
	})
}

// link is the way of an instance to the brokers, which a test can cut and hold up. The zero value lets everything pass.
type link struct {
	dial dialFunc

	mu     sync.Mutex
	frozen chan struct{} // closed when the link thaws; nil if it is not frozen
	cut    bool
	conns  map[net.Conn]bool
}

var errCut = errors.New("the link is cut")

// Dial connects to a broker over the link.
func (l *link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return nil, errCut
	}
	far, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, mine := net.Pipe()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut { // meanwhile
		far.Close()
		return nil, errCut
	}
	if l.conns == nil {
		l.conns = map[net.Conn]bool{}
	}
	l.conns[near] = true
	go l.carry(far, near)
	go l.carry(near, far)
	return mine, nil
}

// carry copies what arrives at one end to the other until one of them is closed.
func (l *link) carry(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		l.pass()
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			to.Close()
			from.Close()
			l.mu.Lock()
			delete(l.conns, to)
			delete(l.conns, from)
			l.mu.Unlock()
			return
		}
	}
}

// pass waits while the link is frozen.
func (l *link) pass() {
	for {
		l.mu.Lock()
		frozen := l.frozen
		l.mu.Unlock()
		if frozen == nil {
			return
		}
		<-frozen
	}
}

// freeze holds everything up until thaw. Connections stay open, and new ones are accepted and silent.
func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen == nil {
		l.frozen = make(chan struct{})
	}
}

// thaw lets everything pass again, also what was held up.
func (l *link) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil {
		close(l.frozen)
		l.frozen = nil
	}
}

// sever breaks all connections, and refuses new ones until mend.
func (l *link) sever() {
	l.thaw()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = true
	for c := range l.conns {
		c.Close()
	}
}

// mend lets connections in again.
func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = false
}

// The brokers of a test are reached over the link only.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go io.Copy(far, far)
			return near, nil
		}}
		conn, err := l.Dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		echo := func() error {
			conn.SetDeadline(time.Now().Add(time.Second))
			if _, err := conn.Write([]byte{1}); err != nil {
				return err
			}
			_, err := conn.Read(make([]byte, 1))
			return err
		}
		if err := echo(); err != nil {
			t.Error(err)
		}
		l.freeze()
		if err := echo(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("while it is frozen: %v", err)
		}
		l.thaw()
		l.sever()
		if err := echo(); err == nil {
			t.Error("it is cut and lets something pass")
		}
		if _, err := l.Dial(t.Context(), "", ""); !errors.Is(err, errCut) {
			t.Error(err)
		}
		l.mend()
		if conn, err = l.Dial(t.Context(), "", ""); err == nil {
			err = echo()
		}
		if err != nil {
			t.Error(err)
		}
		l.sever()
	})
}
