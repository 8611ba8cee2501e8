package publisher

import kafka "github.com/segmentio/kafka-go"

// ShardOf returns the shard of a worker: murmur2 of its id modulo the partitions of the state topic, as Java's default
// partitioner computes it for a key. partitions must be at least 1.
func ShardOf(workerID string, partitions int) int {
	return newPartitioner(partitions).of(workerID)
}

// partitioner gives keys the partitions that Java's default partitioner gives them.
type partitioner struct {
	partitions []int // 0 .. n-1, as the balancer requires
}

func newPartitioner(n int) partitioner {
	p := partitioner{partitions: make([]int, n)}
	for i := range p.partitions {
		p.partitions[i] = i
	}
	return p
}

func (p partitioner) of(key string) int {
	// With Consistent an empty key is a key like any other.
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: []byte(key)}, p.partitions...)
}
