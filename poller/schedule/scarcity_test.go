// Each of these tests runs in one goroutine. The race detector would find nothing and make it six times as long.
//go:build !race

package schedule

import (
	"testing"
	"time"

	"farmwire/diff"

	"pgregory.net/rapid"
)

// If the budget suffices, every worker is listed again within the staleness. What is left of the budget is used, too, but no
// worker is listed twice within a second, and the calls are spread evenly.
func TestWithinTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(100, 300).Draw(t, "workers")
		staleness := 15 * time.Second
		p := newPlay(staleness, float64(n)/8, rapid.Uint64().Draw(t, "seed")).add(0, n).own()
		p.run(45 * time.Second)
		from := p.now
		p.run(5 * time.Minute)
		if p.broken != nil {
			t.Fatal(p.broken)
		}
		gaps := p.gaps(from)
		for i := range n {
			if len(gaps[key(i)]) == 0 {
				t.Fatalf("worker %d was not listed again", i)
			}
			for _, gap := range gaps[key(i)] {
				if gap > staleness || gap < shortestRest {
					t.Fatalf("worker %d was listed again after %v", i, gap)
				}
			}
		}
		perSecond := make(map[int]int)
		for _, c := range p.calls {
			if !c.at.Before(from) {
				perSecond[int(c.at.Sub(from)/(3*time.Second))]++
			}
		}
		allowed := float64(n) / 8 * 3
		for second, calls := range perSecond {
			if float64(calls) > 1.1*allowed+1 || float64(calls) < .9*allowed-1 {
				t.Fatalf("%d calls from second %d on, the budget is %f", calls, 3*second, allowed)
			}
		}
	})
}

// If the budget is too small and open sessions cannot be swept, workers with open sessions are listed more often than idle ones,
// but the time between listings of idle ones has a bound, too.
func TestUnderScarcity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hot := rapid.IntRange(5, 60).Draw(t, "hot")
		idle := rapid.IntRange(5, 200).Draw(t, "idle")
		scarcity := rapid.Float64Range(1.5, 8).Draw(t, "scarcity")
		staleness := 15 * time.Second
		rate := float64(hot+idle) / staleness.Seconds() / scarcity
		const discovery = 3.0 / 30 // requests/s, at most
		p := newPlay(staleness, rate+discovery, rapid.Uint64().Draw(t, "seed"))
		p.answer = func(c Call) Answer {
			if c.Kind == BatchGetSession || c.Kind == BatchGetWorker {
				return refused(Denied)
			}
			return lookedUp(c)
		}
		p.known = func(w diff.WorkerKey) Known {
			if number(w) < hot {
				return Known{Open: openSessions(w, 1)}
			}
			return Known{}
		}
		p.add(0, hot+idle).own()
		// In the long run h/x + i/(4x) = rate, where x is the time between two listings of a worker with open sessions.
		x := time.Duration((float64(hot) + float64(idle)/activeWeight) / rate * float64(time.Second))
		slack := 2*time.Second + time.Duration(2/rate*float64(time.Second)) // two other calls
		bounds := []time.Duration{max(x, staleness)*13/10 + slack, activeWeight*max(x, staleness)*13/10 + slack}
		if rapid.Bool().Draw(t, "there was enough before") {
			p.schedule.budget = newBudget(100*rate, p.now)
			p.run(10 * staleness)
			p.schedule.budget = newBudget(rate+discovery, p.now)
		}
		p.run(3 * bounds[1])
		from := p.now
		p.run(8 * bounds[1])
		if p.broken != nil {
			t.Fatal(p.broken)
		}
		gaps := p.gaps(from)
		for n := range hot + idle {
			bound := bounds[0]
			if n >= hot {
				bound = bounds[1]
			}
			if len(gaps[key(n)]) == 0 {
				t.Fatalf("worker %d was never listed again", n)
			}
			for _, gap := range gaps[key(n)] {
				if gap > bound {
					t.Fatalf("worker %d was not listed for %v, above %v", n, gap, bound)
				}
			}
		}
	})
}
