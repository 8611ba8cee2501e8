package trigger

import (
	"encoding/json"
	"slices"
	"time"
)

// progress is how far a partition is done. Its offset, which is committed to the group, is the first that is not done: nothing
// before it comes again, and everything from it on would.
//
// One event that nobody takes holds the offset back for days, while thousands behind it are delivered. So that these do not come
// again after a restart, the metadata of the commit names the events that are held back.
type progress struct {
	read int64     // everything before it was read
	held []int64   // offsets before read that are not done, in order
	last time.Time // when the newest record was handed to Kafka of those that were read; zero: none was

	inRow int // events that were given up in a row, by all partitions of the instance; see loop.deadInRow

	// What an earlier process has done: everything before known, but not what is in open. At first known is at or after read.
	known int64
	open  []int64
}

// checkpoint is the metadata of a commit, in JSON.
type checkpoint struct {
	Done int64   `json:"done"`           // everything before this offset is done, but not what is held
	Held []int64 `json:"held,omitempty"` // their distances from the committed offset, in order
	Last int64   `json:"last,omitempty"` // progress.last, in Unix milliseconds; records of others may have any time

	InRow int `json:"inRow,omitempty"` // progress.inRow
}

// commit is where the group is to stand in a partition.
type commit struct {
	offset   int64
	metadata string
}

// longestMetadata is less than the 4096 bytes that brokers accept by default.
const longestMetadata = 3500

// newProgress begins at a committed offset, with the metadata of the commit. Metadata that is not a checkpoint says nothing.
func newProgress(offset int64, metadata string) *progress {
	p := &progress{read: offset, known: offset}
	var c checkpoint
	if json.Unmarshal([]byte(metadata), &c) != nil {
		return p
	}
	p.inRow = c.InRow
	if p.known = max(c.Done, offset); c.Last != 0 {
		p.last = time.UnixMilli(c.Last)
	}
	for _, distance := range c.Held {
		p.open = append(p.open, offset+distance)
	}
	return p
}

// take takes in that a record was read, and reports whether it is still to be done. Records come in the order of their offsets.
func (p *progress) take(offset int64, at time.Time) bool {
	if offset < p.read {
		return false // it was read before
	}
	p.read = offset + 1
	if at.After(p.last) {
		p.last = at
	}
	if offset < p.known && !slices.Contains(p.open, offset) {
		return false
	}
	p.held = append(p.held, offset)
	return true
}

// done takes in that a record is done.
func (p *progress) done(offset int64) {
	if i, found := slices.BinarySearch(p.held, offset); found {
		p.held = slices.Delete(p.held, i, i+1)
	}
}

// undone returns the offset of the first record that is not done, and the offsets of all that were read, by this process or an
// earlier one, and are not done.
func (p *progress) undone() (offset int64, held []int64) {
	held = slices.Clone(p.held)
	for _, o := range p.open {
		if o >= p.read {
			held = append(held, o)
		}
	}
	if len(held) > 0 {
		return min(p.read, held[0]), held
	}
	return p.read, nil
}

// commit returns what to commit, with metadata of so many bytes at most.
func (p *progress) commit(longest int) commit {
	offset, held := p.undone()
	c := checkpoint{Done: max(p.read, p.known), InRow: p.inRow}
	if !p.last.IsZero() {
		c.Last = p.last.UnixMilli()
	}
	for _, o := range held {
		c.Held = append(c.Held, o-offset)
	}
	for {
		text, err := json.Marshal(c)
		switch {
		case err == nil && len(text) <= longest:
			return commit{offset, string(text)}
		case len(c.Held) == 0:
			return commit{offset, ""}
		}
		// What is done behind the last one that is still named comes again after a restart.
		half := len(c.Held) / 2
		c.Done, c.Held = offset+c.Held[half], c.Held[:half]
	}
}
