package publisher

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// The hashes are those of Kafka's own test of murmur2 (UtilsTest).
func TestShardOfAsJavaDoes(t *testing.T) {
	for key, hash := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		for _, partitions := range []int{1, 3, 12, 100} {
			want := int(hash&0x7fffffff) % partitions // toPositive
			if got := ShardOf(key, partitions); got != want {
				t.Errorf("%q of %d: %d, want %d", key, partitions, got, want)
			}
		}
	}
}

func TestShardOfAsFranzDoes(t *testing.T) {
	franz := kgo.StickyKeyPartitioner(nil).ForTopic("")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		n := rapid.IntRange(1, 200).Draw(t, "partitions")
		want := franz.Partition(&kgo.Record{Key: []byte(key)}, n)
		if got := ShardOf(key, n); got != want {
			t.Errorf("%q of %d: %d, want %d", key, n, got, want)
		}
	})
}
