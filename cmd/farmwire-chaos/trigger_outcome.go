package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/receipts"
)

// triggerOutcome is what came of a campaign against farmwire trigger.
type triggerOutcome struct {
	caughtUp time.Duration // after which everything was committed when nothing failed any more
	behind   string        // which partition was not, if there is one
	ownEnds  int           // how often instances ended by themselves
	stops    []instance.Stop
	reports  map[string]*receipts.Report
}

// look looks at the committed offsets of the groups again and again until ctx ends, and then returns what it saw, by group.
func (b *triggerBed) look(ctx context.Context) <-chan map[string][]receipts.Commit {
	const pace = time.Second
	all := make(chan map[string][]receipts.Commit, 1)
	go func() {
		seen := map[string][]receipts.Commit{}
		for ; ctx.Err() == nil; pause(ctx, pace) {
			for _, group := range triggerGroups {
				commits, err := b.committed(ctx, group)
				if err != nil {
					continue // the broker may be down
				}
				seen[group] = append(seen[group], commits...)
			}
		}
		all <- seen
	}()
	return all
}

func (b *triggerBed) committed(ctx context.Context, group string) (commits []receipts.Commit, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	answer, err := b.admin.FetchOffsets(ctx, groupID(group))
	if err == nil {
		err = answer.Error()
	}
	if err != nil {
		return nil, err
	}
	now := b.receiver.Now()
	for _, o := range answer.Sorted() {
		commits = append(commits, receipts.Commit{Partition: partitionOf(o.Topic, o.Partition), Offset: o.At, Seen: now})
	}
	return commits, nil
}

// settle waits until the groups have committed everything.
func (b *triggerBed) settle(ctx context.Context, most time.Duration) *triggerOutcome {
	o := &triggerOutcome{reports: map[string]*receipts.Report{}}
	begun := time.Now()
	for ; ctx.Err() == nil; pause(ctx, 200*time.Millisecond) {
		if o.behind = b.behind(ctx); o.behind == "" || time.Since(begun) > most {
			break
		}
	}
	o.caughtUp = time.Since(begun)
	return o
}

// behind names a partition that a group is not done with, or says why that is not known.
func (b *triggerBed) behind(ctx context.Context) string {
	ends, err := b.ends(ctx, eventsTopic, endedTopic)
	if err != nil {
		return err.Error()
	}
	for _, group := range triggerGroups {
		commits, err := b.committed(ctx, group)
		if err != nil {
			return err.Error()
		}
		done := map[string]int64{}
		for _, c := range commits {
			done[c.Partition] = c.Offset
		}
		for _, end := range ends {
			if at := partitionOf(end.Topic, end.Partition); done[at] < end.Offset {
				return fmt.Sprintf("the group %s stands at %d of %d in %s", group, done[at], end.Offset, at)
			}
		}
	}
	return ""
}

func (b *triggerBed) ends(ctx context.Context, topics ...string) (ends []kadm.ListedOffset, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answer, err := b.admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = answer.Error()
	}
	answer.Each(func(end kadm.ListedOffset) { ends = append(ends, end) })
	return ends, err
}

// finish stops everything and checks what was delivered.
func (o *triggerOutcome) finish(ctx context.Context, b *triggerBed, looks map[string][]receipts.Commit) error {
	for _, m := range b.everyone() {
		b.leave(ctx, m)
		ends, _ := m.Ends()
		o.ownEnds, o.stops = o.ownEnds+ends, append(o.stops, m.Stops()...)
	}
	events := b.source.written()
	for _, group := range triggerGroups {
		letters, err := b.letters(ctx, groupID(group)+".dead-letters")
		if err != nil {
			return fmt.Errorf("read the dead letters of %s: %w", group, err)
		}
		refuses := map[string]bool{}
		for _, e := range events {
			refuses[e.ID] = b.receiver.Refuses(group, e.ID)
		}
		o.reports[group] = receipts.Check(receipts.Input{
			Events: events, Refuses: refuses, Attempts: triggerAttempts,
			Requests: b.receiver.Requests(group), Letters: letters, Commits: looks[group],
		})
	}
	return nil
}

// letters reads all records of a dead-letter topic.
func (b *triggerBed) letters(ctx context.Context, topic string) (letters []receipts.Letter, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ends, err := b.ends(ctx, topic)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.kafka.InnerAddrs()...), kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	for _, end := range ends { // the topic has one partition
		for next := int64(0); next < end.Offset; {
			fetches := client.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				return nil, err
			}
			for _, r := range fetches.Records() {
				next = r.Offset + 1
				l, err := letterOf(r)
				if err != nil {
					return nil, err
				}
				letters = append(letters, l)
			}
		}
	}
	return letters, nil
}

func letterOf(r *kgo.Record) (l receipts.Letter, err error) {
	const prefix = "deadletter_"
	own := map[string]string{}
	for _, h := range r.Headers {
		if name, ok := strings.CutPrefix(h.Key, prefix); ok {
			own[name] = string(h.Value)
		}
	}
	l.Reason = own["reason"]
	if l.Attempts, err = strconv.Atoi(own["attempts"]); err != nil {
		return l, err
	}
	l.ID, l.Content, err = contentOf(r.Headers, r.Value)
	return l, err
}

// print reports whether all was as it should be.
func (o *triggerOutcome) print(out io.Writer) (good bool) {
	failed := slices.DeleteFunc(slices.Clone(o.stops), func(s instance.Stop) bool { return s.Code == 0 })
	fmt.Fprintf(out, "instances ended by themselves: %d times; graceful stops: %d, of which %d with another exit code than 0: %+v\n",
		o.ownEnds, len(o.stops), len(failed), failed)
	good = o.ownEnds == 0 && len(failed) == 0 && o.behind == ""
	if o.behind == "" {
		fmt.Fprintf(out, "everything was committed %s after the last failure\n", rounded(o.caughtUp))
	} else {
		fmt.Fprintf(out, "not everything was committed within %s: %s\n", rounded(o.caughtUp), o.behind)
	}
	for _, group := range triggerGroups {
		const each = 5
		r := o.reports[group]
		r.Print(out, group, each)
		good = good && len(r.Anomalies) == 0 && r.Counts.Events > 0
	}
	return good
}
