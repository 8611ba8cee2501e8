package schedule

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The budget never gives more than its ceiling, and discovery never more than a fifth, whatever the service answers.
func TestBudgetIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Float64Range(.1, 200).Draw(t, "total")
		owned := rapid.IntRange(1, 12).Draw(t, "owned")
		b, now := newBudget(total, epoch), epoch
		b.setShare(owned, 12, now)
		all := window{rate: b.share(), burst: max(1, b.share()/10)}
		discovery := window{rate: b.share() / discoveryShare, burst: max(firstDiscovery, 2*total)}
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			k := Kind(rapid.IntRange(1, int(kinds)-1).Draw(t, "kind"))
			length := seconds(rapid.Float64Range(0, 2).Draw(t, "length"))
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				now = now.Add(length)
			case 1:
				b.throttled(k, now.Add(-length), 0, now)
			case 2:
				b.throttled(k, now.Add(-length), length, now)
			case 3:
				b.pauseAll(now, length)
			case 4:
				b.answered(k, now.Add(-length), now)
			default:
				at := b.ready(k, now)
				if at.Before(now) {
					t.Fatalf("ready %v before now", now.Sub(at))
				}
				now = at
				if again := b.ready(k, now); again.After(now) && again.Sub(now) > time.Microsecond {
					t.Fatalf("not ready when it was to be: %v more", again.Sub(now))
				}
				now = b.ready(k, now)
				b.take(k, now)
				if s := now.Sub(epoch).Seconds(); !all.sent(s) || k.IsDiscovery() && !discovery.sent(s) {
					t.Fatalf("more than the budget at %f s", s)
				}
			}
		}
	})
}

// window checks that no window of time has more than burst + rate * length requests.
type window struct {
	rate, burst float64
	level, at   float64
}

// sent reports whether one more is within the limit. The level is the most of any window that ends now.
func (w *window) sent(t float64) bool {
	w.level = max(0, w.level-(t-w.at)*w.rate) + 1
	w.at = t
	return w.level <= w.burst+1e-6
}

// An instance that loses 11 of 12 shards goes on at once at a twelfth of the pace, and back.
func TestLostShards(t *testing.T) {
	b, now := newBudget(12, epoch), epoch
	b.setShare(12, 12, now)
	send := func(n int) time.Duration {
		from := now
		for range n {
			now = b.ready(ListSessionsForWorker, now)
			b.take(ListSessionsForWorker, now)
		}
		return now.Sub(from)
	}
	send(50)
	b.setShare(1, 12, now)
	if d := send(1); d > time.Second+time.Millisecond {
		t.Errorf("silent for %v after 11 of 12 shards were lost, want at most 1s", d)
	}
	if d := send(10); math.Abs(d.Seconds()-10) > .01 {
		t.Errorf("10 requests in %v, want 10s", d)
	}
	b.setShare(0, 12, now)
	if b.share() != 1 {
		t.Errorf("a share of %f without shards, want the last", b.share())
	}
	b.setShare(12, 12, now)
	if d := send(12); d > time.Second+time.Millisecond {
		t.Errorf("12 requests in %v with all shards, want 1s", d)
	}
}

// After a pause nothing is sent in a burst, even if several operations resume at once.
func TestNoBurstAfterPause(t *testing.T) {
	tests := map[string]struct {
		pause func(b *budget, now time.Time)
		kinds []Kind
		until time.Duration
	}{
		"one operation":  {func(b *budget, now time.Time) { b.pause(ListSessionsForWorker, 10*time.Second, now) }, []Kind{ListSessionsForWorker}, 10 * time.Second},
		"a day":          {func(b *budget, now time.Time) { b.pause(ListSessionsForWorker, 24*time.Hour, now) }, []Kind{ListSessionsForWorker}, maxRetryAfter},
		"all operations": {func(b *budget, now time.Time) { b.pauseAll(now, 10*time.Second) }, allKinds(), 10 * time.Second},
		"each operation": {func(b *budget, now time.Time) {
			for _, k := range allKinds() {
				b.pause(k, 10*time.Second, now)
			}
		}, allKinds(), 10 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, now := newBudget(100, epoch), epoch
			test.pause(b, now)
			for n := 0; n < 36; n++ {
				first, kind := now.Add(time.Hour), Kind(0)
				for _, k := range test.kinds {
					if at := b.ready(k, now); at.Before(first) {
						first, kind = at, k
					}
				}
				now = first
				b.take(kind, now)
				if n == 0 && now.Sub(epoch) != test.until {
					t.Fatalf("the first request after %v, want %v", now.Sub(epoch), test.until)
				}
				if d := now.Sub(epoch) - test.until; d < time.Duration(n)*10*time.Millisecond-time.Microsecond {
					t.Fatalf("%d requests within %v of the end of the pause", n+1, d)
				}
			}
		})
	}
}

func allKinds() []Kind {
	return []Kind{ListFarms, ListFleets, ListWorkers, ListSessionsForWorker, BatchGetSession, GetSession}
}

// Discovery has a fifth of the ceiling and leaves the rest to the others.
func TestDiscoveryShare(t *testing.T) {
	b, now, n := newBudget(10, epoch), epoch, 0
	for ; now.Before(epoch.Add(100 * time.Second)); n++ {
		now = b.ready(ListWorkers, now)
		b.take(ListWorkers, now)
	}
	if want := 2*10 + 100*2; n < want-5 || n > want+2 {
		t.Errorf("%d requests of discovery in 100 s, want %d", n, want)
	}
}
