//go:build unix && synctests

package trigger

import (
	"context"
	"slices"
	"testing"
	"time"
)

// A stop waits for the tries that are under way, but not for longer than the drain. Then it ends them. Such tries do not count
// as attempts, because they show nothing about the target.
func TestDrainHasAnEnd(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 6)
		target := &receiver{}
		target.turn(func(ctx context.Context, d Delivery) Result {
			if d.Event.ID == ids[0] {
				return slowly(4*time.Second)(ctx, d)
			}
			return slowly(time.Hour)(ctx, d)
		})
		r := s.start(t, target, func(c *Config) { c.Attempts, c.DeadLetterLimit, c.Concurrency = 1, 0, 3 })
		until(t, "three tries have begun", func() bool { return len(target.tries("")) == 3 })
		began := time.Now()
		if err := r.end(t); err != nil {
			t.Errorf("the stop ends with %v", err)
		}
		if took := time.Since(began); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("the stop took %s", took)
		}
		tried := len(target.tries(""))
		if tried != 3 || len(target.ids()) > 1 {
			t.Errorf("%d tries, delivered %v", tried, target.ids())
		}
		target.turn(nil)
		again := s.start(t, target, func(c *Config) { c.From = nil })
		s.untilDone(t, again.config.GroupID())
		same(t, "delivered", target.ids(), ids)
		if letters := s.letters(t, ""); len(letters) > 0 {
			t.Errorf("dead letters: %v", letters)
		}
	})
}

// slowStop is how long a stop may take after the drain if no broker answers: for a commit that is under way, the last one, and to
// leave the group.
const slowStop = 2*commitTimeout + leaveTimeout + time.Second

// A stop ends soon although Kafka stands still, at whatever moment.
func TestStopWhileKafkaStandsStill(t *testing.T) {
	for _, moment := range []time.Duration{0, 100 * time.Millisecond, time.Second, 7 * time.Second, 30 * time.Second} {
		onFake(t, func(t *testing.T, s *source, _ fake) {
			s.ends(t, 10)
			target := &receiver{answer: slowly(time.Second)}
			r := s.start(t, target, nil)
			time.Sleep(moment / 2)
			r.link.freeze()
			time.Sleep(moment)
			began := time.Now()
			if err := r.end(t); err != nil {
				t.Errorf("after %s: %v", moment, err)
			}
			if took := time.Since(began); took > time.Second+slowStop {
				t.Errorf("after %s a stop took %s", moment, took)
			}
		})
	}
}

// The same holds while an event is copied to the dead-letter topic. It is not lost.
func TestStopWhileADeadLetterIsWritten(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		target := &receiver{answer: always(Result{Outcome: Refused, Reason: "no"})}
		once := func(c *Config) { c.Attempts, c.Drain = 1, 0 }
		r := s.start(t, target, once)
		first := s.ends(t, 1)
		until(t, "a dead letter", func() bool { return len(s.letters(t, "")) == 1 })
		target.turn(func(context.Context, Delivery) Result {
			r.link.freeze()
			return Result{Outcome: Refused, Reason: "no"}
		})
		second := s.ends(t, 1)
		until(t, "the second one is refused", func() bool { return len(target.tries("")) == 2 })
		began := time.Now()
		if err := r.end(t); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > slowStop {
			t.Errorf("the stop took %s", took)
		}
		r.link.sever() // what it still holds is lost
		target.turn(always(Result{Outcome: Refused, Reason: "no"}))
		again := s.start(t, target, once)
		s.untilDone(t, again.config.GroupID())
		var ids []string
		for _, l := range s.letters(t, "") {
			ids = append(ids, l.ID)
		}
		same(t, "dead letters", ids, slices.Concat(first, second))
	})
}

// A target may take some time to end a try, as a command does that is asked to end. Meanwhile the trigger is a member of the group,
// and nobody else begins its events.
func TestATargetThatEndsLate(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		s.ends(t, 1)
		stubborn := &receiver{answer: func(ctx context.Context, _ Delivery) Result {
			<-ctx.Done()
			time.Sleep(20 * time.Second)
			return Result{}
		}}
		r := s.start(t, stubborn, nil)
		until(t, "a try has begun", func() bool { return len(stubborn.tries("")) == 1 })
		other := &receiver{}
		b := s.start(t, other, nil)
		began := time.Now()
		if err := r.end(t); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 25*time.Second || took > 26*time.Second {
			t.Errorf("the stop took %s", took)
		}
		s.untilDone(t, b.config.GroupID())
		if len(other.tries("")) > 0 || len(stubborn.ids()) != 1 {
			t.Errorf("the other has tried %v", other.tries(""))
		}
	})
}

// An instance that stops leaves the group, so that another one goes on within a second or so. Nothing is tried again.
func TestAnotherInstanceGoesOnAtOnce(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		var ids, delivered []string
		two := &receiver{}
		b := s.start(t, two, nil)
		for n := range 5 {
			one := &receiver{answer: slowly(300 * time.Millisecond)}
			a := s.start(t, one, nil)
			time.Sleep(20*time.Second + time.Duration(n)*700*time.Millisecond)
			ids = append(ids, s.ends(t, 40)...)
			until(t, "some are delivered", func() bool { return len(one.ids()) > 3 })
			if err := a.end(t); err != nil {
				t.Error(err)
			}
			delivered = append(delivered, one.ids()...)
			began := time.Now()
			until(t, "the other has delivered the rest", func() bool { return len(delivered)+len(two.ids()) >= len(ids) })
			if took := time.Since(began); took > 1300*time.Millisecond {
				t.Errorf("the other has done the rest after %s", took)
			}
			s.untilDone(t, b.config.GroupID())
		}
		same(t, "delivered", append(delivered, two.ids()...), ids)
	})
}
