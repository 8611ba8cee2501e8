//go:build unix && synctests

package trigger

import (
	"context"
	"testing"
	"time"
)

// While the target is not there, the pauses between the tries of an event double up to five minutes, for as long as it takes.
func TestNobodyIsThereForHours(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		id := s.ends(t, 1)[0]
		target := &receiver{answer: always(Result{Outcome: Unavailable, Reason: "nobody is there"})}
		r := s.start(t, target, nil)
		time.Sleep(2 * time.Hour)
		tries := target.tries(id)
		want := firstPause
		for n := range len(tries) - 1 {
			if tries[n].n != n+1 {
				t.Errorf("try %d has the number %d", n+1, tries[n].n)
			}
			if got := tries[n+1].at.Sub(tries[n].at); got < want/2 || got > want+10*time.Millisecond {
				t.Errorf("the pause after try %d is %s, want up to %s", n+1, got, want)
			}
			want = min(2*want, longestPause)
		}
		if len(tries) < 25 {
			t.Errorf("%d tries in two hours", len(tries))
		}
		if report := r.Report(); report.Ready() || report.HeldBack != 1 {
			t.Errorf("%+v", report)
		}
		target.turn(nil)
		until10(t, "it is delivered", func() bool { return len(target.ids()) == 1 })
		s.untilDone(t, r.config.GroupID())
		if report := r.Report(); !report.Ready() || report.HeldBack != 0 || len(s.letters(t, "")) != 0 {
			t.Errorf("%+v", report)
		}
	})
}

// until10 waits until a condition holds, for 10 minutes.
func until10(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 6000 {
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("not within 10 minutes: %s", what)
}

// The target may say how long it is to be left alone, and so it is, whatever the pauses would be.
func TestRetryAfterIsObeyed(t *testing.T) {
	for _, outcome := range []Outcome{Unavailable, Refused} {
		onFake(t, func(t *testing.T, s *source, _ fake) {
			id := s.ends(t, 1)[0]
			target := &receiver{answer: always(Result{Outcome: outcome, RetryAfter: 20 * time.Minute})}
			s.start(t, target, nil)
			time.Sleep(45 * time.Minute)
			tries := target.tries(id)
			if len(tries) != 3 || tries[1].at.Sub(tries[0].at) < 20*time.Minute || tries[2].at.Sub(tries[1].at) < 20*time.Minute {
				t.Errorf("%v: %v", outcome, tries)
			}
		})
	}
}

// After a long outage the first delivery shows that the target is there again, and then everything that waits is delivered at once,
// in particular what waits for its next try for five minutes.
func TestEverythingIsDueAfterAnOutage(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 50)
		target := &receiver{answer: always(Result{Outcome: Unavailable})}
		s.start(t, target, nil)
		time.Sleep(40 * time.Minute)
		target.turn(nil)
		until10(t, "one is delivered", func() bool { return len(target.ids()) > 0 })
		began := time.Now()
		until10(t, "all are delivered", func() bool { return len(target.ids()) == len(ids) })
		if took := time.Since(began); took > time.Second {
			t.Errorf("the others are delivered %s later", took)
		}
	})
}

// When too many events are held back nothing more is read. When they are done, reading goes on, and nothing is left out.
func TestReadingGoesOn(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		var ids []string
		for range 20 {
			ids = append(ids, s.ends(t, 100)...)
		}
		target := &receiver{answer: always(Result{Outcome: Unavailable})}
		r := s.start(t, target, nil)
		time.Sleep(10 * time.Minute)
		if report := r.Report(); !report.Full || report.HeldBack < mostHeld || report.HeldBack >= mostHeld+recordsAtOnce {
			t.Errorf("%+v", report)
		}
		target.turn(nil)
		s.untilDone(t, r.config.GroupID())
		same(t, "delivered", target.ids(), ids)
		time.Sleep(tick)
		if report := r.Report(); report.Full || report.HeldBack > 0 || report.Lag > 0 || !report.Oldest.IsZero() {
			t.Errorf("%+v", report)
		}
	})
}

// While a backlog is worked off nothing is held back, so it is not said that reading stands still.
func TestABacklogIsNotHeldBack(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		for range 30 {
			s.ends(t, 100)
		}
		target := &receiver{answer: slowly(100 * time.Millisecond)}
		r := s.start(t, target, nil)
		for range 20 {
			time.Sleep(time.Second)
			if r.Report().Full {
				t.Fatal("the report says that nothing more is read")
			}
		}
		if n := len(target.ids()); n < 500 || n > 1500 {
			t.Errorf("%d are delivered", n)
		}
	})
}

// slowly takes every event after a time.
func slowly(pause time.Duration) func(context.Context, Delivery) Result {
	return func(ctx context.Context, _ Delivery) Result {
		select {
		case <-time.After(pause):
			return Result{}
		case <-ctx.Done():
			return Result{Outcome: Refused, Reason: "broken off"}
		}
	}
}
