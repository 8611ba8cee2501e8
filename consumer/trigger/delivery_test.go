//go:build unix

package trigger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// Every committed end is delivered once, and after a restart none comes again.
func TestEveryEndIsDelivered(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		want := s.ends(t, 20)
		s.publish(t, kgo.TryAbort, s.change(diff.Ended))
		s.publish(t, kgo.TryCommit, s.change(diff.Started))
		target := &receiver{}
		r := s.start(t, target, nil)
		until(t, "20 events are delivered", func() bool { return len(target.ids()) >= 20 })
		want = append(want, s.ends(t, 10)...)
		until(t, "30 events are delivered", func() bool { return len(target.ids()) >= 30 })
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		want = append(want, s.ends(t, 5)...)
		again := s.start(t, target, func(c *Config) { c.From = nil })
		until(t, "35 events are delivered", func() bool { return len(target.ids()) >= 35 })
		if err := again.end(t); err != nil {
			t.Fatal(err)
		}
		same(t, "delivered", target.ids(), want)
	})
}

// Of the events topic only the vanished events are delivered, and those only if they are asked for. A group that did not read it
// before begins there where it is told to.
func TestVanishedEvents(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		want := s.publish(t, kgo.TryCommit, s.change(diff.Ended))
		vanished := s.publish(t, kgo.TryCommit, s.change(diff.Vanished))
		s.publish(t, kgo.TryCommit, s.change(diff.Started), s.change(diff.Discovered))
		target := &receiver{}
		r := s.start(t, target, nil)
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		same(t, "delivered", target.ids(), want)

		with := func(c *Config) { c.IncludeVanished, c.From = true, nil }
		if err := s.start(t, target, with).fails(t, FromMissing); !strings.Contains(err.Error(), s.config.EventsTopic()) {
			t.Error(err)
		}
		r = s.start(t, target, func(c *Config) { c.IncludeVanished = true })
		until(t, "the vanished event is delivered", func() bool { return len(target.ids()) >= 2 })
		s.publish(t, kgo.TryCommit, s.change(diff.Ended)) // of the events topic it is none
		want = append(want, vanished...)
		until(t, "the ended event is delivered", func() bool { return len(target.ids()) >= 3 })
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		same(t, "delivered", target.ids(), append(want, "session-5.000003"))
	})
}

// A record that cannot be read goes to the dead-letter topic. An event of a type that a newer Farmwire has does so only in the
// ended topic, where it is an end. A record without a key does, although a compacted topic takes none.
func TestUnreadableRecordsOfAllKinds(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) { // Apache Kafka takes no record from the far future
		unknown := func(topic string) *kgo.Record {
			r := record(topic, s.change(diff.Ended))
			for i, h := range r.Headers {
				if h.Key == "ce_type" {
					r.Headers[i].Value = []byte("farmwire.session.paused.v1")
				}
			}
			return r
		}
		newer := unknown(s.config.EndedTopic())
		malformed := &kgo.Record{Topic: s.config.EndedTopic(), Key: []byte("malformed"), Value: []byte("{")}
		other := &kgo.Record{Topic: s.config.EventsTopic(), Key: []byte("other"), Value: []byte("x")}
		nameless := &kgo.Record{Topic: s.config.EndedTopic(), Value: []byte("nameless")}
		strange := &kgo.Record{Topic: s.config.EndedTopic(), Key: []byte("strange"), Value: []byte("x"), Timestamp: time.UnixMilli(1 << 52)}
		s.write(t, kgo.TryCommit, newer, unknown(s.config.EventsTopic()), malformed, other, nameless, strange)
		want := s.ends(t, 3)
		target := &receiver{}
		r := s.start(t, target, func(c *Config) { c.IncludeVanished = true })
		s.untilDone(t, r.config.GroupID())
		until(t, "5 dead letters", func() bool { return len(s.letters(t, "")) == 5 })
		same(t, "delivered", target.ids(), want)
		var got []string
		for _, l := range s.letters(t, "") {
			if got = append(got, l.ID); l.Reason != "unreadable" || l.Message == "" || l.Attempts != 0 || !l.First.IsZero() {
				t.Errorf("%+v", l)
			}
		}
		place := fmt.Sprintf("%s/%d/%d", nameless.Topic, nameless.Partition, nameless.Offset)
		same(t, "dead letters", got, []string{string(newer.Key), "malformed", "other", "strange", place})
	})
}

// No more tries are made at the same time than are asked for, and no fewer if there is something to do.
func TestConcurrency(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		var now, most atomic.Int32
		all := make(chan struct{})
		target := &receiver{}
		target.turn(func(ctx context.Context, _ Delivery) Result {
			n := now.Add(1)
			defer now.Add(-1)
			if n > 3 {
				most.Store(n)
			}
			select { // the first tries do not end before there are as many as there may be
			case <-all:
			case <-ctx.Done():
			}
			time.Sleep(20 * time.Millisecond)
			return Result{}
		})
		s.ends(t, 40)
		s.start(t, target, func(c *Config) { c.Concurrency = 3 })
		until(t, "three tries at the same time", func() bool { return now.Load() >= 3 })
		close(all)
		until(t, "all are delivered", func() bool { return len(target.ids()) == 40 })
		if n := most.Load(); n > 0 {
			t.Errorf("%d tries at the same time", n)
		}
	})
}

// An event that fails holds back itself only. After a restart it comes again, and nothing else, although the group's offset
// stands at it.
func TestAFailingEventHoldsBackItselfOnly(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		ids := s.ends(t, 30)
		target := &receiver{}
		target.turn(only(Result{Outcome: Refused, Reason: "no"}, ids[3], ids[7]))
		patient := func(c *Config) { c.Attempts = 1000 }
		r := s.start(t, target, patient)
		until(t, "28 events are delivered", func() bool { return len(target.ids()) >= 28 })
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		if offsets, ends := s.stands(t, r.config.GroupID()); maps.Equal(offsets, ends) {
			t.Errorf("the group stands at the end: %v", offsets)
		}
		more := s.ends(t, 10)
		before := len(target.tries(""))
		again := s.start(t, target, func(c *Config) { patient(c); c.From = nil })
		until(t, "38 events are delivered", func() bool { return len(target.ids()) >= 38 })
		until(t, "the two are tried again", func() bool { return len(target.tries(ids[3])) >= 3 && len(target.tries(ids[7])) >= 3 })
		var tried []string
		for _, a := range target.tries("")[before:] {
			tried = append(tried, a.id)
		}
		slices.Sort(tried)
		same(t, "tried after the restart", slices.Compact(tried), append(more, ids[3], ids[7]))
		target.turn(nil)
		s.untilDone(t, r.config.GroupID())
		if err := again.end(t); err != nil {
			t.Fatal(err)
		}
		same(t, "delivered", target.ids(), append(ids, more...))
	})
}

// Records of aborted transactions and markers are passed, so that an idle group stands at the end. Then it does not matter that
// retention empties the topic.
func TestAnIdleGroupStandsAtTheEnd(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		s.ends(t, 5)
		for range 3 {
			s.publish(t, kgo.TryAbort, s.change(diff.Ended), s.change(diff.Ended), s.change(diff.Ended))
		}
		target := &receiver{}
		r := s.start(t, target, nil)
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		s.deleteRecords(t)
		want := s.ends(t, 3)
		target = &receiver{}
		r = s.start(t, target, func(c *Config) { c.From = nil })
		s.untilDone(t, r.config.GroupID())
		same(t, "delivered", target.ids(), want)
	})
}
