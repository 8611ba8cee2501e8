package proxy

import (
	"bytes"
	"io"
	"slices"
	"testing"
)

// Requests pass as they came, however they are cut into packets.
func TestRequestsPassWhole(t *testing.T) {
	big := produceFrame("a", string(bytes.Repeat([]byte("x"), 100<<10)), 1)
	two := slices.Concat(big, produceFrame("a", "two", 2))
	broken := slices.Concat(two, big[:50<<10])
	for _, c := range []struct {
		what        string
		wanted      bool
		sent, wants []byte
	}{
		{"as it comes", false, two, two},
		{"as it comes, broken off", false, broken, broken},
		{"read whole", true, two, two},
		{"read whole, broken off", true, broken, two},
		{"less than a head", false, two[:5], nil},
	} {
		got, _ := io.ReadAll(readerOf(c.wanted, c.sent))
		if !bytes.Equal(got, c.wants) {
			t.Errorf("%s: %d bytes, want %d", c.what, len(got), len(c.wants))
		}
	}
	if _, err := io.ReadAll(readerOf(false, []byte("GET / HTTP/1.1\r\n\r\n"))); err == nil {
		t.Error("no error for what is no request")
	}
}

// readerOf forwards all requests, either read whole or as they come.
func readerOf(wanted bool, sent []byte) io.Reader {
	return newRequestReader(&drops{sent}, func(uint16) bool { return wanted }, func([]byte) decision { return forward })
}

// drops gives a few bytes at a time.
type drops struct{ left []byte }

func (d *drops) Read(b []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), 777)], d.left)
	d.left = d.left[n:]
	return n, nil
}
