//go:build unix

package trigger

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"farmwire/consumer"
)

// from returns a change that begins at a position.
func from(p consumer.Position) func(*Config) { return func(c *Config) { c.From = &p } }

func nowhere(c *Config) { c.From = nil }

// A group may begin at a time, in partitions that have later records as well as in those that have none.
func TestBeginAtATime(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		s.ends(t, 10)
		time.Sleep(10 * time.Millisecond)
		at := time.Now()
		time.Sleep(10 * time.Millisecond)
		want := s.ends(t, 2)
		target := &receiver{}
		r := s.start(t, target, from(consumer.At(at)))
		s.untilDone(t, r.config.GroupID())
		want = append(want, s.ends(t, 10)...)
		s.untilDone(t, r.config.GroupID())
		same(t, "delivered", target.ids(), want)
	})
}

// A group whose offsets are gone, because they have expired or somebody has deleted them, begins nowhere by itself.
func TestOffsetsAreGone(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		began := time.Now()
		s.ends(t, 10)
		written := time.Now()
		target := &receiver{}
		r := s.start(t, target, nil)
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		until(t, "the group is deleted", func() bool { // a busy broker may not have noticed yet that its member has left
			answers, err := s.admin.DeleteGroups(t.Context(), r.config.GroupID())
			return err == nil && answers.Error() == nil
		})
		saysTimes(t, s.start(t, target, nowhere).fails(t, FromMissing), 1, began, written)
		if n := len(target.ids()); n != 10 {
			t.Errorf("%d are delivered", n)
		}
	})
}

// Where only one partition has no offset, only that one begins at the given position.
func TestOnePartitionWithoutAnOffset(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		ids := s.ends(t, 30)
		target := &receiver{}
		r := s.start(t, target, nil)
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		where := kadm.TopicsSet{}
		where.Add(s.config.EndedTopic(), 1)
		until(t, "an offset is deleted", func() bool { // a busy broker may not have noticed yet that its member has left
			answers, err := s.admin.DeleteOffsets(t.Context(), r.config.GroupID(), where)
			return err == nil && answers.Error() == nil
		})
		if err := s.start(t, target, nowhere).fails(t, FromMissing); !strings.Contains(err.Error(), "no offset in "+s.config.EndedTopic()+"/1;") {
			t.Error(err)
		}
		again := &receiver{}
		b := s.start(t, again, nil)
		s.untilDone(t, b.config.GroupID())
		if n := len(again.ids()); n == 0 || n >= 30 || !subset(again.ids(), ids) {
			t.Errorf("%d come again", n)
		}
	})
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(id string) bool { return !slices.Contains(all, id) })
}

// An offset beyond the end is one of another topic of this name, so what the group has not seen is not known.
func TestOffsetBeyondTheEnd(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		want := s.ends(t, 10)
		offsets := kadm.Offsets{}
		for p := range int32(partitions) {
			offsets.AddOffset(s.config.EndedTopic(), p, 1000, -1)
		}
		group := "farmwire.trigger." + s.config.EndedTopic()
		if err := s.admin.CommitAllOffsets(t.Context(), group, offsets); err != nil {
			t.Fatal(err)
		}
		target := &receiver{}
		s.start(t, target, nowhere).fails(t, FromGone)
		s.start(t, target, nil)
		s.untilDone(t, group)
		same(t, "delivered", target.ids(), want)
	})
}

// A topic that was deleted and created anew is another topic. Its events are delivered when Config.From says where to begin.
func TestTopicIsAnotherOne(t *testing.T) {
	anew := func(t *testing.T, s *source) {
		if _, err := s.admin.DeleteTopics(t.Context(), s.config.EndedTopic()); err != nil {
			t.Fatal(err)
		}
		until(t, "the topic is deleted", func() bool {
			topics, err := s.admin.ListTopics(t.Context())
			return err == nil && !topics.Has(s.config.EndedTopic())
		})
		s.client.PurgeTopicsFromClient(s.config.EndedTopic())
		s.createTopics(t)
	}
	onBrokers(t, func(t *testing.T, s *source) {
		s.ends(t, 30)
		target := &receiver{}
		r := s.start(t, target, nil)
		s.untilDone(t, r.config.GroupID())
		if err := r.end(t); err != nil {
			t.Fatal(err)
		}
		anew(t, s)
		err := s.start(t, target, nowhere).wait(t)
		if err == nil || !strings.Contains(err.Error(), "group") {
			t.Fatalf("at the start: %v", err)
		}
		target = &receiver{}
		r = s.start(t, target, nil)
		want := s.ends(t, 10)
		s.untilDone(t, r.config.GroupID())
		same(t, "delivered", target.ids(), want)

		anew(t, s)
		if err := r.wait(t); err == nil {
			t.Fatal("while it runs: no error")
		} else {
			t.Log(err)
		}
	})
}

// Instances that start at the same moment begin where they are told to, and none takes anything away from the other.
func TestInstancesBeginTogether(t *testing.T) {
	onFake(t, func(t *testing.T, s *source, _ fake) {
		for n := range 5 {
			group := func(p consumer.Position) func(*Config) {
				return func(c *Config) { c.Group, c.From = fmt.Sprint(p, n), &p }
			}
			before := s.ends(t, 10)
			beginning, now := &receiver{}, &receiver{}
			for range 3 {
				s.start(t, beginning, group(consumer.Beginning()))
				s.start(t, now, group(consumer.Now()))
			}
			until(t, "all are members of the groups", func() bool { // one that is not yet may only now look where the end is
				both := []string{fmt.Sprint(consumer.Beginning(), n), fmt.Sprint(consumer.Now(), n)}
				groups, err := s.admin.DescribeGroups(t.Context(), both...)
				return err == nil && len(groups[both[0]].Members) == 3 && len(groups[both[1]].Members) == 3
			})
			after := s.ends(t, 10)
			s.untilDone(t, fmt.Sprint(consumer.Beginning(), n))
			s.untilDone(t, fmt.Sprint(consumer.Now(), n))
			if !subset(before, beginning.ids()) || !subset(after, beginning.ids()) || !subset(after, now.ids()) {
				t.Errorf("delivered from the beginning: %v\nfrom now: %v\nwant %v and %v", beginning.ids(), now.ids(), before, after)
			}
		}
	})
}

// An instance that joins a group which has offsets has no use for the position that it was given.
func TestAnInstanceJoinsWithAPosition(t *testing.T) {
	onBrokers(t, func(t *testing.T, s *source) {
		ids := s.ends(t, 20)
		one, two := &receiver{}, &receiver{}
		one.turn(only(Result{Outcome: Unavailable}, ids[0]))
		two.turn(only(Result{Outcome: Unavailable}, ids[0]))
		a := s.start(t, one, nil)
		until(t, "19 are delivered", func() bool { return len(one.ids()) == 19 })
		b := s.start(t, two, from(consumer.Beginning()))
		until(t, "both have partitions", func() bool { return a.Report().Partitions > 0 && b.Report().Partitions > 0 })
		more := s.ends(t, 20)
		until(t, "all but one are delivered", func() bool { return len(one.ids())+len(two.ids()) >= 39 })
		one.turn(nil)
		two.turn(nil)
		s.untilDone(t, a.config.GroupID())
		same(t, "delivered", slices.Concat(one.ids(), two.ids()), append(ids, more...))
	})
}
