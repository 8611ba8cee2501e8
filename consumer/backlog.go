package consumer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// quietTime is how long a backlog waits for the rest of a partition. There is none if compaction has removed the last records.
	quietTime = 2 * time.Second

	// mostHeld is how many records a backlog holds back. Beyond it, their order is only nearly that of time.
	mostHeld = 20_000
)

// backlog puts the records of different partitions into the order of time, while a reader reads what was there when it was
// opened: a fetch brings many records of one partition after many of another. A record is held back until those before it have
// been read in every partition. After that, a backlog hands on what comes.
type backlog struct {
	from  time.Time           // earlier records are left out
	waits time.Duration       // for the rest of a partition: quietTime, or longer in tests
	ends  map[place]int64     // where the partitions end that are not read up to there yet
	read  map[place]time.Time // the time of the newest record of such a partition
	held  []Record
	quiet time.Duration // how long nothing was read of these partitions
}

// place is a partition.
type place struct {
	topic     string
	partition int32
}

func newBacklog(from time.Time, ends map[place]int64) backlog {
	return backlog{from: from, waits: quietTime, ends: ends, read: map[place]time.Time{}}
}

// add takes a record that was read.
func (b *backlog) add(k *kgo.Record) {
	at := place{k.Topic, k.Partition}
	if end, behind := b.ends[at]; behind {
		b.quiet = 0
		if k.Offset+1 >= end {
			delete(b.ends, at)
		} else if !k.Attrs.IsControl() { // a broker's clock timed that
			b.read[at] = k.Timestamp
		}
	}
	if !k.Attrs.IsControl() && !k.Timestamp.Before(b.from) {
		b.held = append(b.held, RecordOf(k))
	}
}

// take returns the records that need not be held back any more, in the order of time.
func (b *backlog) take() []Record {
	slices.SortStableFunc(b.held, func(x, y Record) int { return x.Time.Compare(y.Time) })
	ready := len(b.held)
	if len(b.ends) > 0 && ready < mostHeld {
		until := b.readUntil()
		ready, _ = slices.BinarySearchFunc(b.held, until, func(r Record, t time.Time) int {
			return cmp.Or(r.Time.Compare(t), -1) // those of that very time too
		})
	}
	records := b.held[:ready:ready]
	b.held = b.held[ready:]
	return records
}

// readUntil returns the time up to which every partition has been read, or the zero time if there is none.
func (b *backlog) readUntil() (until time.Time) {
	first := true
	for at := range b.ends {
		if t := b.read[at]; first || t.Before(until) {
			until, first = t, false
		}
	}
	return until
}

// patience returns a context that ends when ctx does, or when nothing more is to be waited for.
func (b *backlog) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if len(b.ends) == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, b.waits-b.quiet)
}

// waited notes that nothing came for a while.
func (b *backlog) waited(d time.Duration) {
	if b.quiet += d; b.quiet >= b.waits {
		b.giveUp()
	}
}

// giveUp holds nothing back any more.
func (b *backlog) giveUp() { clear(b.ends) }
