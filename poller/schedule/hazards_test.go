package schedule

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hazard returns how many of the queue's sessions of that age end a second.
func (h *hazards) hazard(farm, queue string, age time.Duration) float64 {
	l, mean := h.of(farm, queue)
	return l.in(lengthBin(max(0, age).Seconds()), mean)
}

// Each bin begins where the one before it ends, is √2 times as long, and has the lengths from its start on.
func TestLengthBins(t *testing.T) {
	for bin := range lengthBins {
		start, end := binStart(bin), binStart(bin+1)
		if start >= end || lengthBin(start) != bin || bin < lengthBins-1 && lengthBin(math.Nextafter(end, 0)) != bin {
			t.Errorf("bin %d is from %v to %v, which are of other bins", bin, start, end)
		}
		if bin > 0 && bin < lengthBins-1 && math.Abs(end/start-math.Sqrt2) > 1e-9 {
			t.Errorf("bin %d is from %v to %v", bin, start, end)
		}
	}
	if s := binStart(1); s != 1 {
		t.Errorf("the second bin begins at %v s", s)
	}
	if days := binStart(lengthBins-1) / 86400; days < 20 || days > 40 {
		t.Errorf("the last bin begins at %v days", days)
	}
}

// Exponential lengths have the same hazard at every age, and so the typical interval is right at every age.
func TestHazardOfExponentialLengths(t *testing.T) {
	h, r := newHazards(), rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		h.ended("farm", "queue", seconds(300*r.ExpFloat64()))
	}
	for _, age := range []float64{0, 5, 60, 300, 600} {
		if got := 300 * h.hazard("farm", "queue", seconds(age)); got < .7 || got > 1.4 {
			t.Errorf("%v of the hazard at %v s", got, age)
		}
		if got := h.interval("farm", "queue", seconds(age), 10*time.Second).Seconds(); got < 8 || got > 12 {
			t.Errorf("looked at after %v s at an age of %v s", got, age)
		}
	}
}

// Regular lengths are looked at rarely while young, and often near their usual end.
func TestIntervalOfRegularLengths(t *testing.T) {
	h, r := newHazards(), rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		h.ended("farm", "queue", seconds(600+60*r.NormFloat64()))
	}
	young := h.interval("farm", "queue", seconds(10), 20*time.Second)
	near := h.interval("farm", "queue", seconds(600), 20*time.Second)
	if young < time.Minute || near > 10*time.Second {
		t.Errorf("looked at after %v while young and after %v near the end", young, near)
	}
	// A look is not put off beyond the age at which the ends begin.
	if got := h.interval("farm", "queue", seconds(300), 40*time.Second); got < 60*time.Second || got > 240*time.Second {
		t.Errorf("at 300 s looked at after %v", got)
	}
}

// What is not known is assumed to be as elsewhere.
func TestHazardOfTheUnknown(t *testing.T) {
	h := newHazards()
	if got := h.hazard("farm", "queue", time.Minute); math.Abs(got*600-1) > 1e-9 {
		t.Errorf("the hazard is %v where nothing is known", got)
	}
	if got := h.interval("farm", "queue", time.Minute, time.Second); got.Round(time.Microsecond) != time.Second {
		t.Errorf("looked at after %v where nothing is known", got)
	}
	for range 500 {
		h.ended("farm", "short", 20*time.Second)
	}
	at := h.hazard("farm", "unknown", 20*time.Second)
	if want := h.hazard("farm", "short", 20*time.Second); math.Abs(at/want-1) > .1 {
		t.Errorf("the hazard of an unknown queue is %v, want about %v as all have", at, want)
	}
	if got := h.hazard("other farm", "short", 20*time.Second); got != at {
		t.Errorf("the hazard of a queue of the same id in another farm is %v, want %v as of an unknown one", got, at)
	}
	// At ages of which nothing is known a queue has its own mean hazard, which is a little drawn to that of all.
	for range 500 {
		h.ended("farm", "long", time.Hour)
	}
	if got := h.hazard("farm", "short", time.Hour) * 20; got < .5 || got > 1.1 {
		t.Errorf("the hazard at an unknown age is %v of the queue's mean", got)
	}
}

// The hazards follow a change of the lengths within some hundred ends.
func TestHazardsFollowAChange(t *testing.T) {
	h := newHazards()
	for range 5000 {
		h.ended("farm", "queue", 20*time.Second)
	}
	for range 300 {
		h.ended("farm", "queue", 200*time.Second)
	}
	if got := h.hazard("farm", "queue", 200*time.Second); got < 1./100 {
		t.Errorf("the hazard at the new usual length is %v", got)
	}
	for range 3000 {
		h.ended("farm", "queue", 200*time.Second)
	}
	if got := h.hazard("farm", "queue", 20*time.Second); got > 1./100 {
		t.Errorf("the hazard at the old usual length is %v", got)
	}
}

// Of more queues than are kept, the one in which nothing ended for longest is forgotten.
func TestHazardsAreBounded(t *testing.T) {
	h := newHazards()
	for i := range 3 * maxHazards {
		h.ended("farm", "kept", time.Hour)
		h.ended("farm", fmt.Sprint(i), time.Second)
	}
	if len(h.queues) != maxHazards || h.order.Len() != maxHazards {
		t.Errorf("%d and %d queues are kept", len(h.queues), h.order.Len())
	}
	for i := 3*maxHazards - 1; i > 2*maxHazards; i-- {
		if h.queues[hazardsKey{"farm", fmt.Sprint(i)}] == nil {
			t.Fatalf("the %dth of the last queues is forgotten", 3*maxHazards-i)
		}
	}
	if h.queues[hazardsKey{"farm", "kept"}] == nil {
		t.Error("a queue in use is forgotten")
	}
}

// An interval is within its bounds, is no shorter where typical is longer, and is the shortest that is worth it.
func TestInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHazards()
		length := rapid.Custom(func(t *rapid.T) time.Duration {
			return seconds(math.Exp2(rapid.Float64Range(-3, 24).Draw(t, "log2 of the length")))
		})
		for _, d := range rapid.SliceOfN(length, 0, 30).Draw(t, "lengths") {
			queue := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "queue")
			for range rapid.SampledFrom([]int{1, 10, 1500}).Draw(t, "ends") {
				h.ended("farm", queue, d)
			}
		}
		age := max(rapid.Just(time.Duration(0)).Draw(t, "young"), length.Draw(t, "age"))
		typical := length.Draw(t, "typical")
		longer := typical + length.Draw(t, "more")
		queue := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "queue")
		got := h.interval("farm", queue, age, typical)
		typical, longer = min(typical, maxTypical), min(longer, maxTypical)
		if got < typical/8 || got > 8*typical {
			t.Fatalf("%v is not from 1/8 to 8 times %v", got, typical)
		}
		if l := h.interval("farm", queue, age, longer); l < got {
			t.Fatalf("%v where %v are typical, but %v where %v are", got, typical, l, longer)
		}
		worth := func(d time.Duration) float64 {
			s := d.Seconds() / typical.Seconds()
			return s * s * h.hazard("farm", queue, age+d) / h.all.mean(firstHazard)
		}
		if got < 8*typical && worth(got+time.Microsecond) < 1-1e-5 && worth(got) < 1-1e-5 {
			t.Fatalf("it is not worth it after %v: %v", got, worth(got))
		}
		for i := range 200 { // of the times before, none would do
			at := typical/8 + (got-typical/8)*time.Duration(i)/200
			if at < got-time.Microsecond && worth(at) > 1+1e-5 {
				t.Fatalf("it is worth it after %v already: %v, and not only after %v", at, worth(at), got)
			}
		}
	})
}

// Odd ages, lengths and intervals do no harm.
func TestHazardsOfOddTimes(t *testing.T) {
	h := newHazards()
	for range 3000 {
		h.ended("farm", "queue", -time.Hour)
	}
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		for _, age := range []time.Duration{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			if got := h.interval("farm", "queue", age, d); got < 0 || got > 8*maxTypical {
				t.Errorf("the interval is %v at an age of %v where %v are typical", got, age, d)
			}
			if got := h.hazard("farm", "queue", age); got <= 0 || math.IsInf(got, 0) || math.IsNaN(got) {
				t.Errorf("the hazard is %v at an age of %v", got, age)
			}
		}
		h.ended("farm", "queue", d)
	}
}

// What is asked and told all the time allocates nothing.
func TestHazardsAllocateNothing(t *testing.T) {
	h := newHazards()
	h.ended("farm", "queue", time.Minute)
	if n := testing.AllocsPerRun(100, func() {
		h.ended("farm", "queue", time.Minute)
		h.hazard("farm", "queue", time.Minute)
		h.interval("farm", "queue", time.Minute, time.Second)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHazards(b *testing.B) {
	h, r := newHazards(), rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		h.ended("farm", "queue", seconds(600+60*r.NormFloat64()))
	}
	b.Run("ended", func(b *testing.B) {
		for b.Loop() {
			h.ended("farm", "queue", 10*time.Minute)
		}
	})
	b.Run("interval", func(b *testing.B) {
		for b.Loop() {
			h.interval("farm", "queue", 10*time.Second, 20*time.Second)
		}
	})
}
