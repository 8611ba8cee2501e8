package audit

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"time"

	"farmwire/diff"
	"farmwire/event"
)

// scanner reads events in exactly the form in which Farmwire writes them, without allocating: an audit reads very many. It leaves
// every other form to event.Decode.
type scanner struct {
	*hasher
	seconds [len("2006-01-02T15:04:05")]byte // of the last time that was parsed
	unix    int64                            // the same as a number
}

func newScanner(seed maphash.Seed) *scanner { return &scanner{hasher: newHasher(seed)} }

// read reads an event. Its errors are those of event.Decode.
func (s *scanner) read(f *fields, r event.Record) error {
	if s.scan(f, r) {
		return nil
	}
	return f.decode(r, s.hasher)
}

// The names of the headers in their order. The two before the last two are missing in events of versions that had no log.
var headerNames = [...]string{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_sequence",
	"ce_partitionkey", "ce_recordedtime", "ce_shard", "ce_logindex", "ce_dataschema", "content-type"}

// The places of headers in headerNames.
const (
	atSpecVersion = iota
	atID
	atSource
	atType
	atSubject
	atTime
	atSequence
	atPartitionKey
	atRecordedTime
	atShard
	atLogIndex
	atDataSchema
	atContentType
)

// scan reports whether the event has the form in which Farmwire writes it, and whether its headers agree with its value.
func (s *scanner) scan(f *fields, r event.Record) bool {
	if len(r.Key) == 0 || !isPlain(r.Value) || len(r.Headers) != len(headerNames) {
		return false
	}
	for i := range r.Headers {
		if r.Headers[i].Key != headerNames[i] {
			return false
		}
	}
	*f = fields{session: r.Key, logged: true}
	v := cursor{text: r.Value}
	changed := s.value(f, &v)
	return !v.failed && v.at == len(v.text) && s.headers(f, &v, changed, r)
}

// value reads the value, and returns the time of the change.
func (s *scanner) value(f *fields, v *cursor) (changed []byte) {
	v.literal(`{"change":`)
	f.kind = kindOf(v.string())
	v.literal(`,"sequence":`)
	f.sequence = v.number()
	v.literal(`,"inferred":`)
	v.bool()
	v.literal(`,"snapshot":`)
	f.snapshot = v.bool()
	v.literal(`,"session":`)
	begin := v.at
	v.literal(`{"farmId":`)
	v.farm = v.string()
	v.literal(`,"fleetId":`)
	v.fleet = v.string()
	v.literal(`,"workerId":`)
	f.worker = v.string()
	v.literal(`,"queueId":`)
	v.string()
	v.literal(`,"jobId":`)
	v.string()
	v.literal(`,"sessionId":`)
	session := v.string()
	v.literal(statusMember)
	status := v.raw()
	v.literal(targetMember)
	target := v.rawOrNull()
	v.literal(startedMember)
	startedAt := s.instant(v)
	v.literal(endedMember)
	endedAt := s.instant(v)
	v.literal(`}`)
	end := v.at
	v.literal(`,"previous":`)
	if !v.accept(`null`) {
		v.literal(`{"lifecycleStatus":`)
		previous := v.raw()
		v.literal(targetMember)
		before := v.rawOrNull()
		v.literal(endedMember)
		ended := s.instant(v)
		v.literal(`}`)
		f.previous = s.of(previous, before, ended)
	}
	v.literal(`,"observed":{"after":`)
	s.instant(v)
	v.literal(`,"before":`)
	changed = s.instant(v)
	v.literal(`,"exact":`)
	exact := v.bool()
	v.literal(`},"worker":`)
	if !v.accept(`null`) {
		v.literal(`{"status":`)
		v.string()
		v.literal(`,"hostName":`)
		v.rawOrNull()
		v.literal(`}`)
	}
	v.literal(`}`)
	if v.failed || f.kind == "" || !bytes.Equal(session, f.session) {
		v.failed = true
		return nil
	}
	f.stored, f.shows = s.of(v.text[begin:end]), s.of(status, target, endedAt)
	switch {
	case exact && f.kind == diff.Started:
		return startedAt
	case exact && f.kind == diff.Ended:
		return endedAt
	}
	return changed
}

// headers reads the headers, and compares them with the value.
func (s *scanner) headers(f *fields, v *cursor, changed []byte, r event.Record) bool {
	h := r.Headers
	sequence, id := h[atSequence].Value, h[atID].Value
	// Six digits at least: that is how Farmwire writes it. A longer one begins with no 0.
	if n, ok := number(sequence); !ok || n != f.sequence || n == 0 || len(sequence) < 6 || len(sequence) > 6 && sequence[0] == '0' {
		return false
	}
	if len(changed) < 2 || len(id) != len(r.Key)+1+len(sequence) {
		return false
	}
	shard, shardOK := plainNumber(h[atShard].Value)
	index, indexOK := plainNumber(h[atLogIndex].Value)
	const mostShards = 1 << 31
	if !shardOK || !indexOK || shard >= mostShards {
		return false
	}
	f.shard, f.index = int(shard), index
	ok := string(h[atSpecVersion].Value) == "1.0" &&
		bytes.HasPrefix(id, r.Key) && id[len(r.Key)] == '.' && bytes.HasSuffix(id, sequence) &&
		isSource(h[atSource].Value, v.farm, v.fleet, f.worker) &&
		isType(h[atType].Value, string(f.kind)) &&
		bytes.Equal(h[atSubject].Value, r.Key) &&
		bytes.Equal(h[atTime].Value, changed[1:len(changed)-1]) && // without the quotes
		bytes.Equal(h[atPartitionKey].Value, r.Key) &&
		string(h[atDataSchema].Value) == "urn:farmwire:session:v1" &&
		string(h[atContentType].Value) == "application/json"
	if !ok {
		return false
	}
	f.recorded, ok = s.time(h[atRecordedTime].Value)
	return ok
}

// isSource reports whether a text is /deadline/<region>/<farm>/<fleet>/<worker>.
func isSource(text, farm, fleet, worker []byte) bool {
	const prefix = "/deadline/"
	rest, ok := bytes.CutPrefix(text, []byte(prefix))
	for _, id := range [...][]byte{worker, fleet, farm} {
		n := len(rest) - len(id)
		ok = ok && n > 0 && bytes.Equal(rest[n:], id) && rest[n-1] == '/'
		if !ok {
			return false
		}
		rest = rest[:n-1]
	}
	return len(rest) > 0 && bytes.IndexByte(rest, '/') < 0
}

// isType reports whether a text is farmwire.session.<kind>.v1.
func isType(text []byte, kind string) bool {
	const prefix, suffix = "farmwire.session.", ".v1"
	return len(text) == len(prefix)+len(kind)+len(suffix) && string(text[:len(prefix)]) == prefix &&
		string(text[len(prefix):len(prefix)+len(kind)]) == kind && string(text[len(prefix)+len(kind):]) == suffix
}

// kindOf returns the kind with a name, or "" if there is none.
func kindOf(name []byte) diff.Kind {
	for _, kind := range allKinds {
		if string(name) == string(kind) {
			return kind
		}
	}
	return ""
}

var allKinds = event.Kinds()

// instant reads a time in quotes, or null, and returns it with its quotes.
func (s *scanner) instant(v *cursor) []byte {
	text := v.rawOrNull()
	if len(text) > len("null") {
		if _, ok := s.time(text[1 : len(text)-1]); ok {
			return text
		}
		v.failed = true
	}
	v.failed = v.failed || string(text) != "null"
	return text
}

// time reads a time of the form that events have. Most times of neighbouring events are of the same second.
func (s *scanner) time(text []byte) (time.Time, bool) {
	const form, seconds = "2006-01-02T15:04:05.000Z", len("2006-01-02T15:04:05")
	if len(text) != len(form) || text[seconds] != '.' || text[len(form)-1] != 'Z' {
		return time.Time{}, false
	}
	milliseconds, ok := number(text[seconds+1 : len(form)-1])
	if !ok {
		return time.Time{}, false
	}
	if !bytes.Equal(text[:seconds], s.seconds[:]) {
		t, err := time.Parse(form[:seconds], string(text[:seconds]))
		if err != nil || t.Year() < 1 {
			return time.Time{}, false
		}
		copy(s.seconds[:], text)
		s.unix = t.Unix()
	}
	return time.Unix(s.unix, int64(milliseconds)*int64(time.Millisecond)), true
}

// number reads decimal digits.
func number(text []byte) (n uint64, ok bool) {
	const most = 18 // digits, which cannot overflow
	if len(text) == 0 || len(text) > most {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, true
}

// plainNumber reads a number that begins with no unnecessary 0.
func plainNumber(text []byte) (n uint64, ok bool) {
	n, ok = number(text)
	return n, ok && (text[0] != '0' || len(text) == 1)
}

// logPlace returns the shard and the index of an event of any version, from its headers alone.
func logPlace(headers []event.Header) (shard int, index uint64, ok bool) {
	var hasShard, hasIndex bool
	for i := range headers {
		switch h := &headers[i]; h.Key {
		case headerNames[atShard]:
			n, err := strconv.ParseUint(string(h.Value), 10, 31)
			shard, hasShard = int(n), err == nil
		case headerNames[atLogIndex]:
			n, err := strconv.ParseUint(string(h.Value), 10, 64)
			index, hasIndex = n, err == nil
		}
	}
	return shard, index, hasShard && hasIndex
}

// cursor reads one token of JSON after the other, and fails at the first that is not what was expected. The text has no escapes.
type cursor struct {
	text        []byte
	at          int
	failed      bool
	farm, fleet []byte // ids that were read
}

func (c *cursor) accept(text string) bool {
	end := c.at + len(text)
	if end > len(c.text) || string(c.text[c.at:end]) != text {
		return false
	}
	c.at = end
	return true
}

func (c *cursor) literal(text string) {
	if !c.accept(text) {
		c.fail()
	}
}

func (c *cursor) fail() { c.failed, c.at = true, len(c.text) }

func (c *cursor) bool() bool {
	if c.accept("true") {
		return true
	}
	c.literal("false")
	return false
}

func (c *cursor) number() uint64 {
	from := c.at
	for c.at < len(c.text) && c.text[c.at]-'0' <= 9 {
		c.at++
	}
	n, ok := plainNumber(c.text[from:c.at])
	if !ok {
		c.fail()
	}
	return n
}

// raw reads a string and returns it with its quotes.
func (c *cursor) raw() []byte {
	if c.at >= len(c.text) || c.text[c.at] != '"' {
		c.fail()
		return nil
	}
	n := bytes.IndexByte(c.text[c.at+1:], '"')
	if n < 0 {
		c.fail()
		return nil
	}
	from := c.at
	c.at += n + 2
	return c.text[from:c.at]
}

// rawOrNull reads a string or null.
func (c *cursor) rawOrNull() []byte {
	if from := c.at; c.accept("null") {
		return c.text[from:c.at]
	}
	return c.raw()
}

// string reads a string and returns it without its quotes.
func (c *cursor) string() []byte {
	if text := c.raw(); len(text) > 0 {
		return text[1 : len(text)-1]
	}
	return nil
}
