package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that an interceptor looks at, by their numbers in Kafka's protocol.
const (
	keyProduce        = 0
	keyHeartbeat      = 12
	keyInitProducerID = 22
	keyEndTxn         = 26
)

// Offsets of the fields of a request. It begins with its size (4 bytes), key (2), version (2), correlation id (4) and
// client id (a string).
const (
	offsetOfKey           = 4
	offsetOfVersion       = 6
	offsetOfCorrelationID = 8
	offsetOfClientID      = 12
)

// decision says what becomes of a request that was read whole.
type decision int

const (
	forward decision = iota
	drop             // the request is not passed on, and is never answered
	cut              // the request is not passed on, and its connection is closed
)

// requestReader reads what a client sends to a broker, and leaves out what is not passed on. Requests that nobody wants
// are passed on byte by byte as they come, so that a connection can be cut in the middle of one.
type requestReader struct {
	from   *bufio.Reader
	wants  func(key uint16) bool       // reports whether requests of this kind are read whole and decided
	decide func(frame []byte) decision // may block
	whole  []byte                      // what is left of a request that was read whole
	left   int                         // bytes of the present request that are still to come
}

func newRequestReader(from io.Reader, wants func(uint16) bool, decide func([]byte) decision) *requestReader {
	return &requestReader{from: bufio.NewReaderSize(from, 32<<10), wants: wants, decide: decide}
}

// Read implements [io.Reader].
func (r *requestReader) Read(b []byte) (int, error) {
	for r.left == 0 && len(r.whole) == 0 {
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	if len(r.whole) > 0 {
		n := copy(b, r.whole)
		r.whole = r.whole[n:]
		return n, nil
	}
	n, err := r.from.Read(b[:min(len(b), r.left)])
	r.left -= n
	return n, err
}

// errCut ends a connection, so that the client sends its request again.
var errCut = errors.New("the connection is cut")

// next begins a request.
func (r *requestReader) next() error {
	const most = 100 << 20 // the limit of brokers (socket.request.max.bytes)
	head, err := r.from.Peek(offsetOfVersion)
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint32(head)) + offsetOfKey
	if size < offsetOfClientID || size > most {
		return errors.New("not a request to a Kafka broker")
	}
	if !r.wants(binary.BigEndian.Uint16(head[offsetOfKey:])) {
		r.left = int(size)
		return nil
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r.from, frame); err != nil {
		return err
	}
	switch r.decide(frame) {
	case forward:
		r.whole = frame
	case cut:
		return errCut
	}
	return nil
}

func keyOf(frame []byte) uint16    { return binary.BigEndian.Uint16(frame[offsetOfKey:]) }
func versionOf(frame []byte) int16 { return int16(binary.BigEndian.Uint16(frame[offsetOfVersion:])) }

// sameRequest reports whether two requests are equal but for their correlation ids.
func sameRequest(a, b []byte) bool {
	return bytes.Equal(a[:offsetOfCorrelationID], b[:offsetOfCorrelationID]) && bytes.Equal(a[offsetOfClientID:], b[offsetOfClientID:])
}

// readRequest decodes the body of a request. It returns false if the request has another layout.
func readRequest(frame []byte, request kmsg.Request) bool {
	if len(frame) < offsetOfClientID {
		return false
	}
	_, body := cutString(frame[offsetOfClientID:])
	if request.IsFlexible() {
		if len(body) == 0 || body[0] != 0 {
			return false // the header has tags
		}
		body = body[1:]
	}
	return request.ReadFrom(body) == nil
}

// cutString splits a nullable string off. Bytes that are too few for one give an empty string.
func cutString(b []byte) (text, rest []byte) {
	if len(b) < 2 {
		return nil, nil
	}
	n := max(int(int16(binary.BigEndian.Uint16(b))), 0)
	if b = b[2:]; len(b) < n {
		return nil, nil
	}
	return b[:n], b[n:]
}
