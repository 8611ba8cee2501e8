package farmtest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// tokenKind says how a listing goes on from a token.
type tokenKind byte

const (
	tokenPlain   tokenKind = iota
	tokenRing              // the answer's token is the ring's next one
	tokenEndless           // an empty page and a new token
)

// token is what a nextToken carries: all that is needed to go on, so that the server remembers nothing.
type token struct {
	kind   tokenKind
	size   byte   // of the ring
	place  byte   // in the ring
	page   uint32 // the page that it asks for, from 2
	left   uint32 // endless: pages still to come; 0: for ever
	cursor uint64 // key of the last entry before the page
	begun  int64  // when the first page was answered; ns of our clock
	first  bool   // the page begins at the first entry, whatever the cursor
}

// tokenSize is the length of a token before base64: the fields and a checksum.
const (
	tokenFields = 1 + 1 + 1 + 4 + 4 + 8 + 1 + 8
	tokenSize   = tokenFields + 8
)

// encode returns the token's text, valid only for the listing of that path.
func (t token) encode(path string) string {
	var b [tokenSize]byte
	b[0], b[1], b[2] = byte(t.kind), t.size, t.place
	binary.BigEndian.PutUint32(b[3:], t.page)
	binary.BigEndian.PutUint32(b[7:], t.left)
	binary.BigEndian.PutUint64(b[11:], t.cursor)
	if t.first {
		b[19] = 1
	}
	binary.BigEndian.PutUint64(b[20:], uint64(t.begun))
	binary.BigEndian.PutUint64(b[tokenFields:], checksum(b[:tokenFields], path))
	return base64.StdEncoding.EncodeToString(b[:])
}

// decodeToken returns the token of a text; false: the listing of that path gave no such token.
func decodeToken(text, path string) (token, bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != tokenSize || checksum(b[:tokenFields], path) != binary.BigEndian.Uint64(b[tokenFields:]) {
		return token{}, false
	}
	return token{
		kind: tokenKind(b[0]), size: b[1], place: b[2],
		page: binary.BigEndian.Uint32(b[3:]), left: binary.BigEndian.Uint32(b[7:]),
		cursor: binary.BigEndian.Uint64(b[11:]), first: b[19] == 1, begun: int64(binary.BigEndian.Uint64(b[20:])),
	}, true
}

func checksum(b []byte, path string) uint64 {
	h := fnv.New64a()
	h.Write(b)
	h.Write([]byte(path))
	return mix(h.Sum64())
}
