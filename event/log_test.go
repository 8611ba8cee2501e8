package event

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sized returns a part of a record as the definition of the digest says, written independently of the package.
func sized(part string) string {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(part)))
	return string(length[:]) + part
}

func TestDigest(t *testing.T) {
	null, one, two := "\xff\xff\xff\xff", "\x00\x00\x00\x01", "\x00\x00\x00\x02"
	for name, tc := range map[string]struct {
		record Record
		want   string
	}{
		"event":        {Record{Key: []byte("k"), Value: []byte("{}"), Headers: []Header{{"a", []byte("1")}, {"b", []byte("")}}}, sized("k") + two + sized("a") + sized("1") + sized("b") + sized("") + sized("{}")},
		"no headers":   {Record{Key: []byte("k"), Value: []byte("v")}, sized("k") + "\x00\x00\x00\x00" + sized("v")},
		"tombstone":    {Record{Key: []byte("k"), Headers: []Header{{"a", nil}}}, sized("k") + one + sized("a") + null + null},
		"empty value":  {Record{Key: []byte("k"), Value: []byte{}}, sized("k") + "\x00\x00\x00\x00" + sized("")},
		"empty header": {Record{Key: []byte("k"), Headers: []Header{{"", []byte{}}}}, sized("k") + one + sized("") + sized("") + null},
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := Digest(tc.record), sha256.Sum256([]byte(tc.want)); got != want {
				t.Errorf("the digest is %x, want %x", got, want)
			}
		})
	}
}

// The heads are known from another program:
//
//	python3 -c 'import hashlib as h; s=lambda b:h.sha256(b).digest(); print(s(s(bytes(32)+s(b"a"))+s(b"b")).hex())'
func TestChain(t *testing.T) {
	var c Chain
	c.Add(sha256.Sum256([]byte("a")))
	c.Add(sha256.Sum256([]byte("b")))
	if want := "153d5381929b50792d3b22ae9596544af3b0e4805be1555a595e6d2a2734933f"; c.Size != 2 || c.HeadText() != want {
		t.Errorf("the chain is %d, %s", c.Size, c.HeadText())
	}
}

func TestDigesterDoesNotAllocate(t *testing.T) {
	r := Record{Key: []byte("k"), Value: make([]byte, 700), Headers: []Header{{"a", []byte("1")}}}
	var d Digester
	d.Digest(r)
	if n := testing.AllocsPerRun(100, func() { d.Digest(r) }); n > 0 {
		t.Errorf("a digest allocates %v times", n)
	}
}

func TestCheckpoint(t *testing.T) {
	c := Checkpoint{Origin: Origin("eu-west-1", "deadline.sessions.state", 11)}
	c.Log.Add(sha256.Sum256([]byte("a")))
	text := c.Text()
	if want := "farmwire/eu-west-1/deadline.sessions.state/11\n1\n" + c.Log.HeadText() + "\n0\n" + strings.Repeat("0", 64) + "\n"; text != want {
		t.Errorf("the text is\n%s\nwant\n%s", text, want)
	}
	got, err := ParseCheckpoint(text)
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, wrong := range []string{"", "\n", text + "\n", strings.TrimSuffix(text, "\n"), strings.Replace(text, "\n1\n", "\n01\n", 1),
		strings.Replace(text, "\n1\n", "\n-1\n", 1), strings.Replace(text, c.Log.HeadText(), c.Log.HeadText()[1:], 1),
		strings.Replace(text, c.Log.HeadText(), strings.ToUpper(c.Log.HeadText()), 1), "\n" + text} {
		if _, err := ParseCheckpoint(wrong); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, want ErrMalformed", wrong, err)
		}
	}
}
