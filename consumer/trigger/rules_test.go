//go:build unix

package trigger

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/consumer"
	"farmwire/diff"
)

// An event that the target refuses is tried Attempts times, with growing pauses, and is a dead letter then. All others are
// delivered meanwhile.
func TestRefusedEventsBecomeDeadLetters(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		ids := s.ends(t, 10)
		target := &receiver{answer: only(Result{Outcome: Refused, Reason: "no", Exit: 3, Stderr: []byte("broken")}, ids[4])}
		r := s.start(t, target, nil)
		until(t, "all others are delivered", func() bool { return len(target.ids()) == 9 })
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		tries := target.tries(ids[4])
		letters := s.letters(t, r.config.GroupID())
		if len(tries) != 3 || len(letters) != 1 {
			t.Fatalf("%d tries and %d dead letters", len(tries), len(letters))
		}
		if first, second := tries[1].at.Sub(tries[0].at), tries[2].at.Sub(tries[1].at); first < firstPause/2 || second < firstPause {
			t.Errorf("pauses of %s and %s", first, second)
		}
		l := letters[0]
		got := fmt.Sprint(l.ID, l.Reason, l.Message, l.Attempts, l.Exit, l.Stderr, l.Event.Kind)
		if want := fmt.Sprint(ids[4], "refused", "no", 3, 3, "broken", diff.Ended); got != want {
			t.Errorf("the dead letter is %s, want %s", got, want)
		}
		for _, h := range l.Record.Headers {
			if strings.HasPrefix(h.Key, "deadletter_") {
				t.Errorf("the event has the header %s", h.Key)
			}
		}
	})
}

// A target that is not there is asked again for as long as it takes, however many attempts a refusal would have.
func TestUnavailableIsNoAttempt(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 1)
		target := &receiver{answer: always(Result{Outcome: Unavailable, Reason: "away"})}
		r := s.start(t, target, func(c *Config) { c.Attempts = 1 })
		until(t, "three tries", func() bool { return len(target.tries(ids[0])) >= 3 })
		until(t, "the report says for how long the target has taken nothing", func() bool { return strings.Contains(r.Report().Text(), "has taken nothing for") })
		target.turn(nil)
		until(t, "it is delivered", func() bool { return len(target.ids()) == 1 })
		if letters := s.letters(t, r.config.GroupID()); len(letters) != 0 {
			t.Errorf("dead letters: %v", letters)
		}
	})
}

// A group whose next records were deleted stops, says since when events may be missing, and goes on when it is told where.
func TestDeletedRecordsStopTheTrigger(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		began := time.Now()
		s.ends(t, 20)
		first := &receiver{}
		r := s.start(t, first, nil)
		until(t, "20 are delivered", func() bool { return len(first.ids()) == 20 })
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		s.ends(t, 20)
		s.deleteRecords(t)
		left := s.ends(t, 5)
		target := &receiver{}
		err := s.start(t, target, func(c *Config) { c.From = nil }).fails(t, FromGone)
		saysTimes(t, err, 2, began, time.Now())
		s.start(t, target, nil)
		until(t, "what is left is delivered", func() bool { return len(target.ids()) >= 5 })
		same(t, "delivered", target.ids(), left)
	})
}

// A position that was given at the start does not decide about records that are deleted later, before they were read.
func TestAPositionDecidesOnce(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		s.ends(t, 5)
		target := &receiver{}
		r := s.start(t, target, nil)
		until(t, "five are delivered", func() bool { return len(target.ids()) == 5 })
		s.untilDone(t, r.config.GroupID())
		r.link.sever()
		s.ends(t, 20)
		s.deleteRecords(t)
		r.link.mend()
		r.fails(t, FromGone)
	})
}

// Without offsets a group begins nowhere unless it is told where.
func TestNewGroupsNeedAPosition(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		s.ends(t, 3)
		target := &receiver{}
		s.start(t, target, func(c *Config) { c.From = nil }).fails(t, FromMissing)
		now := consumer.Now()
		r := s.start(t, target, func(c *Config) { c.From = &now })
		s.untilDone(t, r.config.GroupID())
		want := s.ends(t, 2)
		until(t, "two are delivered", func() bool { return len(target.ids()) >= 2 })
		same(t, "delivered", target.ids(), want)
	})
}

// What the filter leaves out is done.
func TestFilteredEventsAreDone(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 4)
		target := &receiver{}
		r := s.start(t, target, func(c *Config) { c.Filter.Fleets = []string{"fleet-0"} })
		s.untilDone(t, r.config.GroupID())
		same(t, "delivered", target.ids(), []string{ids[1], ids[3]})
	})
}

// An event that is too old is a dead letter, before its first try and between two.
func TestTooOldEvents(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		old := s.change(diff.Ended)
		old.Session.EndedAt = old.Session.EndedAt.Add(-time.Hour)
		never := s.publish(t, kgo.TryCommit, old)
		target := &receiver{answer: always(Result{Outcome: Unavailable, Reason: "away"})}
		r := s.start(t, target, func(c *Config) { c.MaxAge = 10 * time.Second }) // a busy machine tries the late event late
		s.untilDone(t, r.config.GroupID())
		late := s.ends(t, 1) // only now, so that it is not too old before the trigger has begun to read
		s.untilDone(t, r.config.GroupID())
		var ids []string
		for _, l := range s.letters(t, r.config.GroupID()) {
			if ids = append(ids, l.ID); l.Reason != "too-old" || l.First.IsZero() != (l.ID == never[0]) {
				t.Errorf("the dead letter %+v", l)
			}
		}
		same(t, "dead letters", ids, append(never, late...))
		if n := len(target.tries(never[0])); n != 0 {
			t.Errorf("%d tries of the old event", n)
		}
	})
}

// A target that can take nothing stops the trigger, and the event comes again.
func TestImpossibleTargets(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 1)
		target := &receiver{answer: always(Result{Outcome: Impossible, Reason: "HTTP 410"})}
		s.start(t, target, nil).fails(t, TargetImpossible)
		target.turn(nil)
		s.start(t, target, func(c *Config) { c.From = nil })
		until(t, "it is delivered", func() bool { return len(target.ids()) == 1 })
		same(t, "delivered", target.ids(), ids)
	})
}

// Exactly so many events in a row may be given up. The next one stops the trigger, also after a restart, and is not lost.
func TestTooManyDeadLetters(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		ids := s.ends(t, 6)
		target := &receiver{answer: always(Result{Outcome: Refused, Reason: "no"})}
		limited := func(c *Config) { c.Attempts, c.DeadLetterLimit, c.Concurrency = 1, 3, 1 }
		r := s.start(t, target, limited)
		r.fails(t, TooManyRefused)
		s.start(t, target, limited).fails(t, TooManyRefused)
		var dead []string
		for _, l := range s.letters(t, r.config.GroupID()) {
			dead = append(dead, l.ID)
		}
		if len(dead) != 3 {
			t.Fatalf("%d dead letters", len(dead))
		}
		target.turn(nil)
		s.start(t, target, limited)
		until(t, "the others are delivered", func() bool { return len(target.ids()) == 3 })
		same(t, "delivered and dead", append(target.ids(), dead...), ids)
	})
}

// Of one session the second event waits for the first, and nothing else does.
func TestOrderOfASession(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		first, second, other := s.change(diff.Ended), s.change(diff.Ended), s.change(diff.Ended)
		second.Session.SessionID, second.Sequence = first.Session.SessionID, 4
		ids := s.publish(t, kgo.TryCommit, first, second, other)
		target := &receiver{answer: only(Result{Outcome: Unavailable, Reason: "away"}, ids[0])}
		s.start(t, target, nil)
		until(t, "the other session is done", func() bool { return slices.Contains(target.ids(), ids[2]) })
		until(t, "two tries", func() bool { return len(target.tries(ids[0])) >= 2 })
		if n := len(target.tries(ids[1])); n != 0 {
			t.Errorf("%d tries of the second event", n)
		}
		target.turn(nil)
		until(t, "all are delivered", func() bool { return len(target.ids()) == 3 })
		if tries := target.tries(""); tries[len(tries)-1].id != ids[1] {
			t.Errorf("the last try is of %s", tries[len(tries)-1].id)
		}
	})
}

// When too many events are held back, nothing more is read.
func TestHeldBackEventsHaveALimit(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		const all = mostHeld + 3*recordsAtOnce
		for range all / 200 {
			s.ends(t, 200)
		}
		target := &receiver{answer: always(Result{Outcome: Unavailable, Reason: "away", RetryAfter: time.Hour})}
		r := s.start(t, target, func(c *Config) { c.Concurrency = 100 })
		until(t, "nothing more is read", func() bool { return strings.Contains(r.Report().Text(), "nothing more is read") })
		seen := map[string]bool{}
		until(t, "what was read is tried", func() bool { // the last tries may not have come to the target yet
			for _, a := range target.tries("") {
				seen[a.id] = true
			}
			return len(seen) >= mostHeld
		})
		if len(seen) >= mostHeld+recordsAtOnce {
			t.Errorf("%d events were read", len(seen))
		}
	})
}

// A stop begins nothing, lets what is under way finish, and commits it.
func TestStopLetsTriesFinish(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		s.ends(t, 8)
		release := make(chan struct{})
		target := &receiver{answer: func(ctx context.Context, _ Delivery) Result {
			select {
			case <-release:
				return Result{}
			case <-ctx.Done():
				return Result{Outcome: Unavailable, Reason: "stopped"}
			}
		}}
		r := s.start(t, target, func(c *Config) { c.Drain = time.Hour })
		until(t, "four have begun", func() bool { return len(target.tries("")) == 4 })
		r.stop()
		until(t, "it stops", func() bool { return r.Report().Stopping })
		close(release)
		if err := r.wait(t); err != nil {
			t.Fatal(err)
		}
		if len(target.ids()) != 4 || len(target.tries("")) != 4 {
			t.Errorf("%d delivered, %d tries", len(target.ids()), len(target.tries("")))
		}
		second := &receiver{}
		again := s.start(t, second, func(c *Config) { c.From = nil })
		s.untilDone(t, again.config.GroupID())
		if len(second.ids()) != 4 {
			t.Errorf("%d are delivered again or later", len(second.ids()))
		}
	})
}

// Two instances share the events, and when one ends the other goes on at once.
func TestInstancesShareTheWork(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		one, two := &receiver{}, &receiver{}
		a := s.start(t, one, nil)
		b := s.start(t, two, nil)
		until(t, "both have partitions", func() bool {
			x, y := a.Report().Partitions, b.Report().Partitions
			return x > 0 && y > 0 && x+y == partitions
		})
		ids := s.ends(t, 60)
		until(t, "60 are delivered", func() bool { return len(one.ids())+len(two.ids()) >= 60 })
		if len(one.ids()) == 0 || len(two.ids()) == 0 {
			t.Errorf("%d and %d", len(one.ids()), len(two.ids()))
		}
		if err := a.end(t); err != nil {
			t.Fatal(err)
		}
		// Without a word from the one that ended, the group would wait for it for the whole time-out.
		groups, err := s.admin.DescribeGroups(t.Context(), b.config.GroupID())
		if members := len(groups[b.config.GroupID()].Members); err != nil || members != 1 {
			t.Errorf("%d members, %v", members, err)
		}
		until(t, "the other has all partitions", func() bool { return b.Report().Partitions == partitions })
		ids = append(ids, s.ends(t, 20)...)
		until(t, "80 are delivered", func() bool { return len(one.ids())+len(two.ids()) >= 80 })
		same(t, "delivered", append(one.ids(), two.ids()...), ids)
	})
}
