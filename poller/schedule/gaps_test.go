package schedule

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestGaps(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name     string
		gaps     []time.Duration // noted in turn, 40 times
		followed float64
		wait     time.Duration
		pays     bool
	}{
		{"at once", []time.Duration{0}, 1, 0, true},
		{"a moment later", []time.Duration{1}, 1, s, true},
		{"after whole seconds", []time.Duration{3 * s}, 1, 3 * s, true},
		{"after a little more", []time.Duration{3*s + 1}, 1, 4 * s, true},
		{"just in time", []time.Duration{15 * s}, 1, 15 * s, true},
		{"a little too late", []time.Duration{15*s + 1}, 0, 0, false},
		{"half of them long", []time.Duration{2 * s, time.Hour}, .5, 2 * s, true},
		{"too few short ones", []time.Duration{2 * s, time.Hour, time.Hour, time.Hour}, .25, 0, false},
		{"one in seven is slow", append([]time.Duration{9 * s}, repeat(6, s)...), 1, 9 * s, true},
		{"one in twenty is slow", append([]time.Duration{9 * s}, repeat(19, s)...), 1, s, true},
		{"beside another", []time.Duration{-s}, 0, 0, false},
		{"some beside another", []time.Duration{-s, 5 * s}, 1, 5 * s, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g gaps
			for range 40 {
				for _, gap := range test.gaps {
					g.note(gap)
				}
			}
			if got := g.followed(); math.Abs(got-test.followed) > .02 {
				t.Errorf("followed: %.3f, want %.3f", got, test.followed)
			}
			if wait, pays := g.wait(); wait != test.wait || pays != test.pays {
				t.Errorf("wait: %v, %v, want %v, %v", wait, pays, test.wait, test.pays)
			}
		})
	}
}

func repeat(n int, d time.Duration) []time.Duration {
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = d
	}
	return all
}

// A handful of gaps says nothing, and old ones are forgotten when a fleet changes.
func TestGapsFade(t *testing.T) {
	var g gaps
	for i := range 10 {
		if _, pays := g.wait(); pays || g.followed() != 0 {
			t.Errorf("something is known after %d gaps", i)
		}
		g.note(time.Second)
	}
	if _, pays := g.wait(); !pays {
		t.Error("nothing is known after 10 gaps")
	}
	for range 1000 {
		g.note(time.Second)
	}
	for range 300 {
		g.note(time.Minute)
	}
	if _, pays := g.wait(); pays {
		t.Errorf("it pays to wait after 300 long gaps: followed %.2f", g.followed())
	}
	for range 150 {
		g.note(4 * time.Second)
	}
	if wait, pays := g.wait(); wait != 4*time.Second || !pays {
		t.Errorf("wait: %v, %v after 150 gaps of 4 s", wait, pays)
	}
}

// The wait is a whole second within which nine tenths of the short gaps have passed, and a second earlier they have not.
func TestGapsWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g gaps
		all := rapid.SliceOfN(rapid.Int64Range(-5e9, 30e9), 0, 40).Draw(t, "gaps")
		for _, gap := range all {
			g.note(time.Duration(gap))
		}
		wait, pays := g.wait()
		if !pays {
			return
		}
		passed := func(by time.Duration) float64 { // of the short gaps, as they fade
			n, sum, weight := 0., 0., 1.
			for i := len(all) - 1; i >= 0; i-- {
				gap := time.Duration(all[i])
				if gap < 0 {
					continue
				}
				if gap <= shortGap {
					sum += weight
					if gap <= by {
						n += weight
					}
				}
				weight *= 1 - 1./gapMemory
			}
			return n / sum
		}
		if wait%time.Second != 0 || wait < 0 || wait > shortGap || g.followed() <= followedEnough {
			t.Fatalf("wait %v, followed %v", wait, g.followed())
		}
		if passed(wait) < passedEnough-1e-9 || wait > 0 && passed(wait-time.Second) > passedEnough+1e-9 {
			t.Fatalf("%v: %v have passed, %v a second earlier", wait, passed(wait), passed(wait-time.Second))
		}
	})
}
