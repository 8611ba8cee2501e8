package instance

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// Shards knows from the logs of all instances which of them acquired which shard last.
type Shards struct {
	mu           sync.Mutex
	owner        map[int]int       // by shard: number of the instance
	acquired     map[int]time.Time // by shard
	lastAcquired map[int]time.Time // by instance
}

// NewShards knows of no owner yet.
func NewShards() *Shards {
	return &Shards{owner: map[int]int{}, acquired: map[int]time.Time{}, lastAcquired: map[int]time.Time{}}
}

// readLog reads a line of an instance's log.
func (s *Shards) readLog(instance int, line []byte) {
	if s == nil || !bytes.Contains(line, []byte(`"shard is followed"`)) {
		return
	}
	var l struct{ Shard int }
	if json.Unmarshal(line, &l) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.owner[l.Shard], s.acquired[l.Shard], s.lastAcquired[instance] = instance, now, now
}

// Of returns the shards that the instance was the last to acquire.
func (s *Shards) Of(instance int) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var shards []int
	for shard, owner := range s.owner {
		if owner == instance {
			shards = append(shards, shard)
		}
	}
	return shards
}

// Owned is how many shards have an owner.
func (s *Shards) Owned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.owner)
}

// TakenOver reports whether other instances have acquired all of the shards since a time.
func (s *Shards) TakenOver(shards []int, from int, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, shard := range shards {
		if s.owner[shard] == from || s.acquired[shard].Before(since) {
			return false
		}
	}
	return true
}

// AcquiredSince reports whether the instance has acquired a shard since a time.
func (s *Shards) AcquiredSince(instance int, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastAcquired[instance].After(since)
}
