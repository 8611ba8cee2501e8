package instance

import (
	"testing"
	"time"
)

func TestShards(t *testing.T) {
	s := NewShards()
	begun := time.Now().Add(-time.Second)
	s.readLog(0, []byte(`{"msg":"shard is followed","shard":3}`))
	s.readLog(0, []byte(`{"msg":"shard is followed","shard":4}`))
	s.readLog(1, []byte(`{"msg":"session started","shard":5}`))
	since := time.Now()
	shards := s.Of(0)
	if len(shards) != 2 || !s.AcquiredSince(0, begun) || s.AcquiredSince(1, begun) {
		t.Fatalf("instance 0 has %v", shards)
	}
	s.readLog(1, []byte(`{"msg":"shard is followed","shard":3}`))
	if s.TakenOver(shards, 0, since) {
		t.Error("one of two shards is not all")
	}
	s.readLog(1, []byte(`{"msg":"shard is followed","shard":4}`))
	if !s.TakenOver(shards, 0, since) {
		t.Error("both were taken over")
	}
}
