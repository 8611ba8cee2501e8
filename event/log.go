package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// LogKey is the key of the state record with the chain of a shard's events.
const LogKey = "log"

// Chain is the hash chain of a log: of all events of a shard, in the order of publication, or of all its coverage records.
// The zero value is the chain of an empty log.
type Chain struct {
	Size uint64            // how many records the log has
	Head [sha256.Size]byte // SHA-256 of the head before the last record, followed by the digest of that record; zeros if there is none
}

// Add adds a record by its digest.
func (c *Chain) Add(digest [sha256.Size]byte) {
	var both [2 * sha256.Size]byte
	copy(both[:], c.Head[:])
	copy(both[sha256.Size:], digest[:])
	c.Head = sha256.Sum256(both[:])
	c.Size++
}

// HeadText returns the head in hexadecimal digits, as records have it.
func (c Chain) HeadText() string { return hex.EncodeToString(c.Head[:]) }

// nullLength stands in a digest for the length of a null value.
const nullLength = ^uint32(0)

// Digest returns SHA-256 of a record: of the key, the headers in their order, and the value. Each of them, each name and value
// of a header comes after its length, and the headers come after their number. These are uint32, the most significant byte
// first. A null value has the length 0xFFFFFFFF and no bytes.
func Digest(r Record) [sha256.Size]byte {
	var d Digester
	return d.Digest(r)
}

// Digester computes digests without allocating, because it reuses its buffer. The zero value is ready to use.
type Digester struct{ buffer []byte }

// Digest is like the function Digest.
func (d *Digester) Digest(r Record) [sha256.Size]byte {
	b := appendBytes(d.buffer[:0], r.Key)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		b = binary.BigEndian.AppendUint32(b, uint32(len(h.Key)))
		b = append(b, h.Key...)
		b = appendBytes(b, h.Value)
	}
	b = appendBytes(b, r.Value)
	d.buffer = b
	return sha256.Sum256(b)
}

func appendBytes(b, part []byte) []byte {
	if part == nil {
		return binary.BigEndian.AppendUint32(b, nullLength)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
	return append(b, part...)
}

// AppendLog appends the value of the state record with the key LogKey: {"schema":1,"size":3,"head":"…64 digits…"}.
func AppendLog(b []byte, c Chain) []byte {
	b = append(b, `{"schema":1`...)
	return append(appendChain(b, `,`, c), '}')
}

// appendChain appends the members size and head.
func appendChain(b []byte, before string, c Chain) []byte {
	b = appendNumber(append(b, before...), `"size":`, c.Size)
	b = append(b, `,"head":"`...)
	b = hex.AppendEncode(b, c.Head[:])
	return append(b, '"')
}

// chainFields are the members of a chain in JSON.
type chainFields struct {
	Size *uint64 `json:"size"`
	Head *string `json:"head"`
}

func (f chainFields) chain(what string) (Chain, error) {
	if f.Size == nil || f.Head == nil {
		return Chain{}, malformed("%s has no size or no head", what)
	}
	head, err := decodeHead(*f.Head)
	if err != nil {
		return Chain{}, malformed("%s: %w", what, err)
	}
	return Chain{Size: *f.Size, Head: head}, nil
}

func decodeHead(text string) (head [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(head) || hex.EncodeToString(b) != text {
		return head, fmt.Errorf("the head is %.80q and should have %d hexadecimal digits", text, 2*len(head))
	}
	return [sha256.Size]byte(b), nil
}

func decodeLog(value []byte) (Chain, error) {
	var f chainFields
	if err := unmarshalState(value, &f); err != nil {
		return Chain{}, err
	}
	return f.chain("the log record")
}

// Checkpoint is what a shard signs: the chains of its logs at one moment.
type Checkpoint struct {
	Origin   string // which shard of which state topic, see Origin
	Log      Chain  // of the events
	Coverage Chain  // of the coverage records
}

// Origin returns the first line of the checkpoints of a shard: farmwire/<region>/<state topic>/<shard>.
func Origin(region, stateTopic string, shard int) string {
	return "farmwire/" + region + "/" + stateTopic + "/" + strconv.Itoa(shard)
}

// Text returns the text of the checkpoint's signed note. It has five lines: the origin, the size and the head of the log, and
// the same of the log of coverage records.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%d\n%s\n", c.Origin, c.Log.Size, c.Log.HeadText(), c.Coverage.Size, c.Coverage.HeadText())
}

// ParseCheckpoint reads the text of a checkpoint's note. The error is ErrMalformed.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 6 || lines[5] != "" || lines[0] == "" {
		return Checkpoint{}, malformed("a checkpoint has five lines: an origin, and the size and the head of two logs")
	}
	c := Checkpoint{Origin: lines[0]}
	for i, of := range [...]*Chain{&c.Log, &c.Coverage} {
		size, err := strconv.ParseUint(lines[1+2*i], 10, 64)
		if err != nil || strconv.FormatUint(size, 10) != lines[1+2*i] {
			return Checkpoint{}, malformed("a checkpoint: the size is %.80q and should be a number", lines[1+2*i])
		}
		head, err := decodeHead(lines[2+2*i])
		if err != nil {
			return Checkpoint{}, malformed("a checkpoint: %w", err)
		}
		*of = Chain{Size: size, Head: head}
	}
	return c, nil
}
