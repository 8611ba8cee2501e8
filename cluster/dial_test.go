package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

// A broker's name may have several addresses. One that does not answer at all costs a moment, and the next one is tried.
func TestNameWithSeveralAddresses(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	// Its number is free at the other address, where nothing else of this system listens or connects from.
	port := silentPort(t, [4]byte{127, 0, 0, 2}, listener.Addr().(*net.TCPAddr).Port)
	resolve(t, net.IPv4(127, 0, 0, 2), net.IPv4(127, 0, 0, 1))
	for name, c := range map[string]Config{"bootstrap": {Brokers: []string{"kafka.test.:" + port}}, "advertised": {}} {
		ctx, cancel := context.WithTimeout(t.Context(), DialTimeout)
		defer cancel()
		conn, err := c.dial(ctx, "tcp", "kafka.test.:"+port)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		conn.Close()
	}
	began := time.Now()
	if conn, err := (Config{}).dial(t.Context(), "tcp", "127.0.0.2:"+port); err == nil || time.Since(began) > connectTimeout+20*time.Second { // with room for a busy machine; the system takes two minutes
		t.Errorf("a single address: %v, %v after %v", conn, err, time.Since(began))
	}
}

// resolve makes every name have these addresses, in this order, until the test ends.
func resolve(t *testing.T, addresses ...net.IP) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	was := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
	t.Cleanup(func() { net.DefaultResolver = was; server.Close() })
	go func() {
		question := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(question)
			if err != nil {
				return
			}
			const header, ofA = 12, 1
			end := header
			for question[end] != 0 {
				end += 1 + int(question[end])
			}
			end += 5 // the end of the name, its type and its class
			answer := append([]byte(nil), question[:min(end, n)]...)
			copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}) // an answer without additional records
			if binary.BigEndian.Uint16(question[end-4:]) == ofA {
				answer[7] = byte(len(addresses))
				for _, ip := range addresses {
					answer = append(append(answer, 0xc0, header, 0, ofA, 0, 1, 0, 0, 0, 1, 0, 4), ip.To4()...)
				}
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
}

// silentPort makes a port of an address not even answer a connection attempt, because its queue is full. It returns the port.
func silentPort(t *testing.T, ip [4]byte, number int) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: ip, Port: number}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	addr := &net.TCPAddr{IP: ip[:], Port: number}
	_, port, _ := net.SplitHostPort(addr.String())
	for range 20 {
		conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err != nil {
			return port
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this system takes any number of connections")
	return ""
}
