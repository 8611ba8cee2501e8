package cluster

import (
	"net"
	"testing"
	"time"
)

// A client that is closed at the moment at which a read begins does not wait for the broker's answer.
func TestReadOfAClosedClient(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // it takes the connection and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := newSilent((&net.Dialer{}).DialContext).connect(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now())                      // the client is closed
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // the read begins
	began := time.Now()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("something was read")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the read took %s", took)
	}
}

// A deadline that is yet to come, or none, leaves the connection open.
func TestDeadlinesThatHaveNotPassed(t *testing.T) {
	one, other := net.Pipe()
	defer other.Close()
	conn := &heardConn{Conn: one, silent: newSilent(nil)}
	defer conn.Close()
	for _, deadline := range []time.Time{time.Now().Add(time.Minute), {}} {
		if err := conn.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = other.Write([]byte("a")) }()
	if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read %d bytes, %v", n, err)
	}
}
