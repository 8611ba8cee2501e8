package farmtest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
)

// tokenKind determines how a listing continues from a token.
type tokenKind byte

const (
	tokenPlain   tokenKind = iota
	tokenRing              // every answer has the next token of a cycle
	tokenEndless           // every answer is an empty page with a new token
)

// token is the content of a nextToken. It has everything that the next page depends on, so that the server keeps no
// state of a listing.
type token struct {
	kind   tokenKind
	size   byte   // number of tokens in the cycle
	place  byte   // in the cycle
	page   uint32 // the page that it requests, from 2
	left   uint32 // for tokenEndless, the number of pages still to come; 0 if they never end
	cursor uint64 // key of the last entry before the page
	begun  int64  // when the first page was answered, in nanoseconds of our clock
	first  bool   // the page begins at the first entry; cursor is ignored
}

// tokenSize is the length of a token before base64, which is that of the fields and a checksum.
const (
	tokenFields = 1 + 1 + 1 + 4 + 4 + 8 + 1 + 8
	tokenSize   = tokenFields + 8
)

// encode returns the token's text. It is valid only for the listing with that path.
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

// decodeToken parses a token's text. It returns false if no listing with that path gave such a token.
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
