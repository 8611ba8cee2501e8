package check

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// hash is SHA-256 of a record, or the head of a chain.
type hash = [sha256.Size]byte

// chain has the head of a hash chain after each of its records: heads[n] is that of the first n records.
type chain struct{ heads []hash }

func newChain() *chain { return &chain{heads: make([]hash, 1)} }

func (c *chain) size() uint64 { return uint64(len(c.heads) - 1) }

// add appends a record: the next head is SHA-256 of the last head followed by the record's hash.
func (c *chain) add(record hash) {
	last := c.heads[len(c.heads)-1]
	c.heads = append(c.heads, sha256.Sum256(append(last[:], record[:]...)))
}

// has reports whether the chain has a head with this text at a size.
func (c *chain) has(size uint64, head string) bool {
	return size <= c.size() && hex.EncodeToString(c.heads[size][:]) == head
}

// text names a head.
func (c *chain) text(size uint64) string {
	if size > c.size() {
		return fmt.Sprintf("there are %d records", c.size())
	}
	return "the records give " + hex.EncodeToString(c.heads[size][:])
}

// hashOf returns the hash of a record as the contract says: of the key, the number of headers, the name and the value of each,
// and the value, each text after its length.
func hashOf(r record) hash {
	var b []byte
	add := func(text string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	add(r.key)
	headers := strings.Split(r.headers, headerSeparator)
	if r.headers == "NO_HEADERS" {
		headers = nil
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		add(name)
		add(value)
	}
	if r.null {
		b = binary.BigEndian.AppendUint32(b, ^uint32(0))
	} else {
		add(r.value)
	}
	return sha256.Sum256(b)
}

// shardLog is what the events say of the log of a shard.
type shardLog struct {
	records  []loggedRecord // by index
	count    uint64         // how many records there are
	doubtful bool           // indexes are wrong: what follows from that is no further anomaly
	*chain                  // up to the first hole
}

type loggedRecord struct {
	there bool
	hash  hash
}

// largestIndex bounds what a wrong index may cost.
const largestIndex = 1 << 26

// logOf is the log of a shard.
func (c *checker) logOf(shard int) *shardLog {
	l := c.logs[shard]
	if l == nil {
		l = &shardLog{}
		c.logs[shard] = l
	}
	return l
}

// logPlace reads where an event is in which log.
func logPlace(r record) (shard int, index uint64, err error) {
	headers, _ := headerMap(r.headers)
	if shard, err = strconv.Atoi(headers["ce_shard"]); err != nil {
		return 0, 0, errors.New("no ce_shard that is a number")
	}
	if index, err = strconv.ParseUint(headers["ce_logindex"], 10, 64); err != nil || index >= largestIndex {
		return 0, 0, errors.New("no ce_logindex that is a number")
	}
	return shard, index, nil
}

// readLog takes an event as a record of the log of its shard, and returns its index.
func (c *checker) readLog(r record) (index uint64) {
	shard, index, err := logPlace(r)
	if err != nil || shard < 0 || shard >= c.in.Partitions {
		c.anomaly(LogIndex, r.key, r.headers, fmt.Sprintf("the shard and the index in its log: %v", err))
		return largestIndex
	}
	l := c.logOf(shard)
	l.count++
	for uint64(len(l.records)) <= index {
		l.records = append(l.records, loggedRecord{})
	}
	if l.records[index].there {
		l.doubtful = true
		c.anomaly(LogIndex, r.key, fmt.Sprintf("index %d of shard %d at partition %d, offset %d", index, shard, r.partition, r.offset), "another event has this index")
		return index
	}
	l.records[index] = loggedRecord{true, hashOf(r)}
	return index
}

// foldLogs computes the chains. Each log must have all indexes from 0 on.
func (c *checker) foldLogs() {
	for shard := range c.in.Partitions {
		l := c.logOf(shard)
		l.chain = newChain()
		for index := range l.records {
			if !l.records[index].there {
				l.doubtful = true
				c.anomaly(LogIndex, fmt.Sprintf("shard %d", shard), fmt.Sprintf("no event with index %d, but %d events in all", index, l.count), "a log has no holes")
				break
			}
			l.add(l.records[index].hash)
		}
		c.report.Counts.Logged += int(l.size())
		l.records = nil
	}
}

// wireChain is the size and the head of a chain.
type wireChain struct {
	Size field[uint64] `json:"size"`
	Head field[string] `json:"head"`
}

// checkLogHead compares what a record says of the log of a shard with the events.
func (c *checker) checkLogHead(what string, shard int, size uint64, head string) {
	if l := c.logOf(shard); !l.doubtful {
		c.checkHead(what, l.chain, size, head)
	}
}

// checkHead compares what a record says of a chain with the chain.
func (c *checker) checkHead(what string, of *chain, size uint64, head string) {
	c.report.Counts.Heads++
	if !of.has(size, head) {
		c.anomaly(LogHead, what, fmt.Sprintf("size %d, head %s", size, head), of.text(size))
	}
}

// storedChain is what a record of .state says of a chain of its shard.
type storedChain struct {
	shard    int
	offset   int64
	coverage bool // of the coverage records
	size     uint64
	head     string
}

// readStoredLog takes the record "log" of .state.
func (c *checker) readStoredLog(r record) {
	var w struct {
		Schema int
		wireChain
	}
	in := reading{texts: c.texts}
	if err := strict(r.value, &w); err != nil || r.null {
		c.anomaly(BadEnvelope, r.key, r.value, fmt.Sprintf("not a log record: %v", err))
		return
	}
	s := storedChain{shard: r.partition, offset: r.offset, size: take(&in, "size", w.Size), head: take(&in, "head", w.Head)}
	if in.wrong != nil {
		c.anomaly(BadEnvelope, r.key, r.value, in.wrong.Error())
		return
	}
	c.storedChains = append(c.storedChains, s)
}

// readStoredCoverage takes the record "coverage" of .state, of which only the chain is compared.
func (c *checker) readStoredCoverage(r record) {
	var w struct {
		Shard int
		Next  struct {
			N    uint64
			Head string
		}
	}
	if err := jsonUnmarshal(r.value, &w); err != nil || w.Shard != r.partition || w.Next.N == 0 {
		c.anomaly(BadEnvelope, r.key, r.value, fmt.Sprintf("not a coverage record of the shard: %v", err))
		return
	}
	c.storedChains = append(c.storedChains, storedChain{shard: r.partition, offset: r.offset, coverage: true, size: w.Next.N - 1, head: w.Next.Head})
}

// checkStoredChains compares what .state says of the chains with the records. The last record of each must name all of them.
func (c *checker) checkStoredChains() {
	type of struct {
		shard    int
		coverage bool
	}
	last := map[of]storedChain{}
	for _, s := range c.storedChains {
		switch {
		case !s.coverage:
			c.checkLogHead(fmt.Sprintf("state \"log\" of shard %d at offset %d", s.shard, s.offset), s.shard, s.size, s.head)
		case c.in.Coverage != nil:
			c.checkHead(fmt.Sprintf("state \"coverage\" of shard %d at offset %d", s.shard, s.offset), c.coverageOf(s.shard).chain, s.size, s.head)
		}
		last[of{s.shard, s.coverage}] = s
	}
	for shard := range c.in.Partitions {
		if l := c.logOf(shard); !l.doubtful && l.size() != last[of{shard, false}].size {
			c.anomaly(LogHead, fmt.Sprintf("shard %d", shard), fmt.Sprintf("the last log record in .state has size %d", last[of{shard, false}].size), l.text(l.size())+fmt.Sprintf(" at size %d", l.size()))
		}
		if l := c.coverageOf(shard); c.in.Coverage != nil && l.size() != last[of{shard, true}].size {
			c.anomaly(LogHead, fmt.Sprintf("shard %d", shard), fmt.Sprintf("the last coverage record in .state has size %d", last[of{shard, true}].size), fmt.Sprintf("there are %d coverage records", l.size()))
		}
	}
}
