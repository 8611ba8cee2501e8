package publisher

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"farmwire/cluster"
	"farmwire/event"
)

// The positions of the fields in a record batch with magic 2, and the attributes. The checksum covers everything from the
// attributes on, including the producer's identity.
const (
	batchLengthAt       = 8
	batchLeaderEpochAt  = 12
	batchMagicAt        = 16
	batchChecksumAt     = 17
	batchAttributesAt   = 21
	batchLastOffsetAt   = 23
	batchFirstTimeAt    = 27
	batchMaxTimeAt      = 35
	batchProducerAt     = 43
	batchEpochAt        = 51
	batchSequenceAt     = 53
	batchRecordsAt      = 57
	batchHeaderSize     = 61
	maxRecordOverhead   = 64 // of a record without headers, besides its key and value
	attributeGzip       = 1
	attributeTransacted = 1 << 4
)

// identity is the producer id and the epoch by which brokers know a transactional producer.
type identity struct {
	producer int64
	epoch    int16
}

// noIdentity is the identity that no producer has.
func noIdentity() identity { return identity{-1, -1} }

// batch is one record batch. Records are appended to it, and then it is sealed. A request that is repeated sends the same
// sealed bytes.
type batch struct {
	bytes   []byte // the header, which is zero until the batch is sealed, and the records
	records int32
	largest largest
	sealed  []byte
}

// largest is the largest record of a batch.
type largest struct {
	key  []byte
	size int // in bytes, without compression
}

func (b *batch) reset() {
	if cap(b.bytes) < batchHeaderSize {
		b.bytes = make([]byte, 0, 16<<10)
	}
	b.bytes = b.bytes[:batchHeaderSize]
	clear(b.bytes)
	b.records = 0
	b.largest.size = 0
	b.sealed = nil
}

// appendRecord appends a record without its length to buf. A nil value is a tombstone.
func appendRecord(buf []byte, offset int32, key, value []byte, headers []event.Header) []byte {
	buf = append(buf, 0)              // attributes: none are defined
	buf = binary.AppendVarint(buf, 0) // all records of a batch have its time
	buf = binary.AppendVarint(buf, int64(offset))
	buf = appendVarBytes(buf, key)
	buf = appendVarBytes(buf, value)
	buf = binary.AppendVarint(buf, int64(len(headers)))
	for i := range headers {
		buf = binary.AppendVarint(buf, int64(len(headers[i].Key)))
		buf = append(buf, headers[i].Key...)
		buf = appendVarBytes(buf, headers[i].Value)
	}
	return buf
}

func appendVarBytes(buf, b []byte) []byte {
	if b == nil {
		return binary.AppendVarint(buf, -1)
	}
	buf = binary.AppendVarint(buf, int64(len(b)))
	return append(buf, b...)
}

// seal completes the batch: its header, its compression and its checksum.
func (b *batch) seal(id identity, sequence int32, at time.Time, compression Compression) error {
	attributes := uint16(attributeTransacted)
	out := b.bytes
	if compression == CompressionGzip {
		attributes |= attributeGzip
		packed, err := compress(b.bytes)
		if err != nil {
			return err
		}
		out = packed
	}
	be, ms := binary.BigEndian, uint64(at.UnixMilli())
	be.PutUint32(out[batchLengthAt:], uint32(len(out)-batchLeaderEpochAt))
	be.PutUint32(out[batchLeaderEpochAt:], ^uint32(0))
	out[batchMagicAt] = 2
	be.PutUint16(out[batchAttributesAt:], attributes)
	be.PutUint32(out[batchLastOffsetAt:], uint32(b.records-1))
	be.PutUint64(out[batchFirstTimeAt:], ms)
	be.PutUint64(out[batchMaxTimeAt:], ms)
	be.PutUint64(out[batchProducerAt:], uint64(id.producer))
	be.PutUint16(out[batchEpochAt:], uint16(id.epoch))
	be.PutUint32(out[batchSequenceAt:], uint32(sequence))
	be.PutUint32(out[batchRecordsAt:], uint32(b.records))
	be.PutUint32(out[batchChecksumAt:], crc32.Checksum(out[batchAttributesAt:], crc32.MakeTable(crc32.Castagnoli)))
	b.sealed = out
	return nil
}

// compress returns room for the header, and the compressed records.
func compress(b []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(b) / 2)
	out.Write(b[:batchHeaderSize])
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b[batchHeaderSize:]); err != nil {
		return nil, fmt.Errorf("compress a batch: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress a batch: %w", err)
	}
	return out.Bytes(), nil
}

// topicPartition names a partition.
type topicPartition struct {
	topic     string
	partition int32
}

// partitionsOf returns all partitions of a topic.
func partitionsOf(topic string, n int) []topicPartition {
	all := make([]topicPartition, n)
	for i := range all {
		all[i] = topicPartition{topic, int32(i)}
	}
	return all
}

// String returns the name as Kafka's tools write it.
func (at topicPartition) String() string { return at.topic + "-" + strconv.Itoa(int(at.partition)) }

// outgoing is what one transaction writes to one partition, in batches that are not larger than the limit. The next
// transaction uses its buffers again.
type outgoing struct {
	topicPartition
	limit   int // bytes of a batch
	batches []batch
	used    int // of batches
	sent    int // how many of used are acknowledged
	scratch []byte
}

func (o *outgoing) reset() { o.used, o.sent = 0, 0 }

func (o *outgoing) append(key, value []byte, headers []event.Header) {
	for {
		if o.used == 0 {
			o.open()
		}
		b := &o.batches[o.used-1]
		o.scratch = appendRecord(o.scratch[:0], b.records, key, value, headers)
		if b.records > 0 && len(b.bytes)+binary.MaxVarintLen32+len(o.scratch) > o.limit {
			o.open()
			continue
		}
		b.bytes = binary.AppendVarint(b.bytes, int64(len(o.scratch)))
		b.bytes = append(b.bytes, o.scratch...)
		b.records++
		if len(o.scratch) > b.largest.size {
			b.largest = largest{append(b.largest.key[:0], key...), len(o.scratch)}
		}
		return
	}
}

// tooLarge makes an error that names the record of a batch that is larger than the topic accepts.
func (o *outgoing) tooLarge(b *batch) error {
	return &cluster.Error{Kind: RecordTooLarge, Text: fmt.Sprintf("the record of %.100q in %s is too large: it has %d bytes, and the topic accepts batches of at most max.message.bytes=%d",
		b.largest.key, o.topicPartition, b.largest.size, o.limit)}
}

// refused makes an error that names the largest record of a batch that a broker has refused as too large, although it fits the
// limit that was asked for when the shard was acquired.
func (o *outgoing) refused(b *batch, err error) error {
	return &cluster.Error{Kind: RecordTooLarge, Err: err, Text: fmt.Sprintf("%s does not accept a batch of %d bytes, although max.message.bytes=%d when the shard was acquired: its largest record is that of %.100q and has %d bytes",
		o.topicPartition, len(b.sealed), o.limit, b.largest.key, b.largest.size)}
}

func (o *outgoing) open() {
	if o.used == len(o.batches) {
		o.batches = append(o.batches, batch{})
	}
	o.batches[o.used].reset()
	o.used++
}

// seal completes all batches, the first with the given sequence, and returns the sequence after the last. It returns an error
// if a record is larger than the topic accepts.
func (o *outgoing) seal(id identity, sequence int32, at time.Time, compression Compression) (int32, error) {
	for i := range o.batches[:o.used] {
		b := &o.batches[i]
		if err := b.seal(id, sequence, at, compression); err != nil {
			return 0, err
		}
		if len(b.sealed) > o.limit && b.records == 1 {
			return 0, o.tooLarge(b)
		}
		sequence = int32((uint32(sequence) + uint32(b.records)) & (1<<31 - 1)) // wraps to 0, as it does in the broker
	}
	return sequence, nil
}
