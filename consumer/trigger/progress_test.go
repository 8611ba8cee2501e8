package trigger

import (
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whenever a process dies, the next one does again what was not done when it last committed, and nothing else, unless the
// metadata is cut. Nothing that is not done is ever before the committed offset.
func TestProgressSurvivesProcesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := rapid.SliceOfNDistinct(rapid.Int64Range(0, 300), 1, 100, rapid.ID).Draw(t, "offsets") // with holes
		slices.Sort(log)
		longest := rapid.SampledFrom([]int{0, 20, 60, 100, longestMetadata}).Draw(t, "longest")
		done, known := map[int64]bool{}, map[int64]bool{} // known: to the process of the last commit, then
		var last commit
		for range rapid.IntRange(1, 5).Draw(t, "processes") {
			p := newProgress(last.offset, last.metadata)
			var open []int64
			mine := maps.Clone(known)
			for _, o := range log {
				if rapid.IntRange(0, 40).Draw(t, "dies") == 0 {
					break
				}
				if o < last.offset && !done[o] {
					t.Fatalf("%d is before the committed offset %d and not done", o, last.offset)
				}
				todo := p.take(o, time.Unix(1_800_000_000, 0))
				if o >= last.offset && (!todo && !done[o] || todo && known[o] && longest == longestMetadata) {
					t.Fatalf("offset %d: to do is %v, and done %v, from %v", o, todo, done[o], last)
				}
				if todo {
					open = append(open, o)
				}
				if len(open) > 0 && rapid.Bool().Draw(t, "ends") {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
					p.done(open[i])
					done[open[i]], mine[open[i]] = true, true
					open = slices.Delete(open, i, i+1)
				}
				if rapid.IntRange(0, 5).Draw(t, "commits") == 0 {
					next := p.commit(longest)
					if next.offset < last.offset || len(next.metadata) > longest {
						t.Fatalf("commit %v after %v, with %d bytes at most", next, last, longest)
					}
					last, known = next, maps.Clone(mine)
				}
			}
		}
	})
}

// What does not fit into the metadata comes again, but nothing that is not done is left out.
func TestMetadataHasALimit(t *testing.T) {
	p := newProgress(1_000_000_000, "")
	const records = 10_000
	for o := range int64(records) {
		p.take(1_000_000_000+o, time.Unix(1_800_000_000, 0))
		if o%3 != 0 {
			p.done(1_000_000_000 + o)
		}
	}
	c := p.commit(longestMetadata)
	offset, metadata := c.offset, c.metadata
	if offset != 1_000_000_000 || len(metadata) > longestMetadata {
		t.Fatalf("offset %d, %d bytes", offset, len(metadata))
	}
	next, again, spared := newProgress(offset, metadata), 0, 0
	for o := range int64(records) {
		todo := next.take(offset+o, time.Unix(1_800_000_000, 0))
		switch {
		case o%3 == 0 && !todo:
			t.Fatalf("offset %d is not done and left out", o)
		case o%3 != 0 && todo:
			again++
		case o%3 != 0:
			spared++
		}
	}
	if spared < 500 {
		t.Errorf("only %d are spared, %d come again", spared, again)
	}
}

// The metadata of other programs says nothing.
func TestForeignMetadata(t *testing.T) {
	for _, metadata := range []string{"", "consumer-1", "{", `{"done":"x"}`, `{"done":3}`, "[]"} {
		if p := newProgress(7, metadata); !p.take(7, time.Time{}) || !p.take(8, time.Time{}) {
			t.Errorf("%q: a record is left out", metadata)
		}
	}
}

// How many events were given up in a row is known to the next process.
func TestEventsInARowAreRemembered(t *testing.T) {
	p := newProgress(7, "")
	p.inRow = 20
	if next := newProgress(7, p.commit(longestMetadata).metadata); next.inRow != 20 {
		t.Errorf("the next process knows %d", next.inRow)
	}
}
