package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// While a backlog holds back, what it hands on is in the order of time, whatever the order in which fetches bring the partitions.
// Nothing is lost, and at the end of all partitions nothing is held back.
func TestBacklogOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends, logs := map[place]int64{}, map[int32][]*kgo.Record{}
		var all []time.Time
		for p := range int32(rapid.IntRange(1, 4).Draw(t, "partitions")) {
			times := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 12).Draw(t, "times")
			slices.Sort(times)
			for i, at := range times {
				record := &kgo.Record{Partition: p, Offset: int64(i), Timestamp: noon.Add(time.Duration(at) * time.Second)}
				logs[p] = append(logs[p], record)
				all = append(all, record.Timestamp)
			}
			ends[place{partition: p}] = int64(len(times))
		}
		b := newBacklog(time.Time{}, ends)
		var got []Record
		for left := len(all); left > 0; {
			p := int32(rapid.IntRange(0, len(logs)-1).Draw(t, "fetched"))
			n := rapid.IntRange(0, len(logs[p])).Draw(t, "records")
			for _, record := range logs[p][:n] {
				b.add(record)
			}
			logs[p], left = logs[p][n:], left-n
			got = append(got, b.take()...)
		}
		slices.SortFunc(all, time.Time.Compare)
		next := map[int32]int64{}
		for i, r := range got {
			if !r.Time.Equal(all[i]) || r.Offset != next[r.Partition] {
				t.Errorf("record %d is of %s and should be of %s, and has offset %d of partition %d", i, r.Time, all[i], r.Offset, r.Partition)
			}
			next[r.Partition]++
		}
		if len(got) != len(all) {
			t.Errorf("%d of %d records", len(got), len(all))
		}
	})
}

// What is held back has a bound.
func TestBacklogBound(t *testing.T) {
	b := newBacklog(time.Time{}, map[place]int64{{partition: 0}: 1, {partition: 1}: 2 * mostHeld})
	got := 0
	for n := range mostHeld {
		b.add(&kgo.Record{Partition: 1, Offset: int64(n), Timestamp: noon})
		if n == mostHeld-2 {
			got = len(b.take())
		}
	}
	if got > 0 {
		t.Errorf("%d records before", got)
	}
	got = len(b.take())
	if got != mostHeld {
		t.Errorf("%d records", got)
	}
}

// The rest of a partition is waited for only so long, counted from the last record of a partition that lags.
func TestBacklogPatience(t *testing.T) {
	b := newBacklog(time.Time{}, map[place]int64{{partition: 0}: 10, {partition: 1}: 1})
	ahead := func() { b.add(&kgo.Record{Partition: 2, Timestamp: noon.Add(time.Hour)}) }
	b.add(&kgo.Record{Partition: 1, Timestamp: noon})
	ahead()
	b.waited(quietTime - 1)
	b.add(&kgo.Record{Partition: 0, Timestamp: noon})
	if got := len(b.take()); got != 2 {
		t.Errorf("%d records at first", got)
	}
	b.waited(quietTime / 2)
	ahead()
	b.waited(quietTime/2 - 1)
	if got := len(b.take()); got != 0 {
		t.Errorf("%d records too soon", got)
	}
	b.waited(1)
	if got := len(b.take()); got != 2 {
		t.Errorf("%d records at last", got)
	}
}
