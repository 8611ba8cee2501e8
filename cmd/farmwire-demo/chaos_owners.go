package main

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// owners follows, by the instances' logs, who acquired which shard last.
type owners struct {
	mu       sync.Mutex
	of       map[int]int       // shard: instance
	at       map[int]time.Time // shard: when
	acquired map[int]time.Time // instance: when it last acquired a shard
}

func newOwners() *owners {
	return &owners{of: map[int]int{}, at: map[int]time.Time{}, acquired: map[int]time.Time{}}
}

// line reads a line of an instance's log.
func (o *owners) line(instance int, line []byte) {
	if !bytes.Contains(line, []byte(`"shard is followed"`)) {
		return
	}
	var l struct{ Shard int }
	if json.Unmarshal(line, &l) != nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.of[l.Shard], o.at[l.Shard], o.acquired[instance] = instance, now, now
}

// shards are those that the instance acquired last.
func (o *owners) shards(instance int) []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	var shards []int
	for shard, owner := range o.of {
		if owner == instance {
			shards = append(shards, shard)
		}
	}
	return shards
}

// taken reports whether other instances have acquired all of the shards since then.
func (o *owners) taken(shards []int, from int, since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, shard := range shards {
		if o.of[shard] == from || o.at[shard].Before(since) {
			return false
		}
	}
	return true
}

// acquiredSince reports whether the instance acquired a shard since then.
func (o *owners) acquiredSince(instance int, since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acquired[instance].After(since)
}
