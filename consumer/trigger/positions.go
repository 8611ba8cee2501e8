package trigger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap"

	"farmwire/cluster"
	"farmwire/consumer"
)

// positions are where the group stands in its topics.
type positions struct {
	committed kadm.OffsetResponses
	starts    kadm.ListedOffsets // of the oldest records, with their times
	ends      kadm.ListedOffsets // behind the newest records
}

// lost is a partition in which the group does not stand at a record that still exists, or at the end.
type lost struct {
	place
	kind cluster.Kind
	last time.Time // when the newest record was handed to Kafka that the group had read; zero: not known
}

// beginGroup decides where the group begins in each partition. Where it has no offset, or one whose records were deleted, nobody knows
// which events it has not seen. So without a position from the configuration beginGroup returns an error that says since when events
// may be missing. With one it commits that position for these partitions.
func (t *Trigger) beginGroup(ctx context.Context, admin *kadm.Client) error {
	topics := t.config.topics()
	p, err := t.positions(ctx, admin, topics)
	if err != nil {
		return err
	}
	missing := p.lost()
	if len(missing) == 0 {
		return nil
	}
	if t.from == nil {
		return p.refusal(t.config.GroupID(), missing)
	}
	from, err := t.from.Offsets(ctx, admin, topics...)
	if err != nil {
		return err
	}
	commit, skipped := kadm.Offsets{}, int64(0)
	for _, l := range missing {
		o, ok := from.Lookup(l.topic, l.number)
		if !ok {
			return fmt.Errorf("offset of %s for %s: none was given", l.place, t.from)
		}
		if start, ok := p.starts.Lookup(l.topic, l.number); ok {
			skipped += max(0, o.Offset-start.Offset)
		}
		commit.AddOffset(l.topic, l.number, o.Offset, -1)
	}
	if err := admin.CommitAllOffsets(ctx, t.config.GroupID(), commit); err != nil {
		return fmt.Errorf("commit where the group begins: %w", err)
	}
	t.log.Warn("the group begins at the given position, because it stood nowhere", zap.Stringer("from", t.from),
		zap.Int("partitions", len(missing)), zap.Int64("offsets_skipped", skipped), zap.String("reason", p.refusal(t.config.GroupID(), missing).Error()))
	return nil
}

// positions asks where the group stands. All its answers are complete.
func (t *Trigger) positions(ctx context.Context, admin *kadm.Client, topics []string) (p positions, err error) {
	if p.committed, err = admin.FetchOffsets(ctx, t.config.GroupID()); err == nil {
		err = p.committed.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return p, fmt.Errorf("offsets of the group %s: %w", t.config.GroupID(), err)
	}
	if p.starts, err = consumer.Beginning().Offsets(ctx, admin, topics...); err != nil {
		return p, err
	}
	if p.ends, err = listedEnds(ctx, admin, topics); err != nil {
		return p, err
	}
	oldest, err := consumer.At(time.UnixMilli(1)).Offsets(ctx, admin, topics...)
	if err != nil {
		return p, err
	}
	oldest.Each(func(o kadm.ListedOffset) {
		if start, ok := p.starts.Lookup(o.Topic, o.Partition); ok {
			start.Timestamp = o.Timestamp
			p.starts[o.Topic][o.Partition] = start
		}
	})
	return p, nil
}

// listedEnds returns the offsets behind the newest records, whether or not their transactions have ended.
func listedEnds(ctx context.Context, admin *kadm.Client, topics []string) (kadm.ListedOffsets, error) {
	ends, err := admin.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of the topics: %w", err)
	}
	return ends, nil
}

// lost returns the partitions in which the group stands nowhere.
func (p positions) lost() (all []lost) {
	for _, start := range p.starts.Offsets().Sorted() {
		end, _ := p.ends.Lookup(start.Topic, start.Partition)
		where := place{start.Topic, start.Partition}
		at, ok := p.committed.Lookup(start.Topic, start.Partition)
		switch {
		case !ok || at.At < 0:
			all = append(all, lost{place: where, kind: FromMissing})
		case at.At < start.At || at.At > end.Offset:
			all = append(all, lost{where, FromGone, newProgress(at.At, at.Metadata).last})
		}
	}
	return all
}

// refusal is the error that says which partitions are lost, and since when events may be missing.
func (p positions) refusal(group string, missing []lost) error {
	first := missing[0]
	for _, l := range missing {
		if l.kind == FromGone {
			first = l
			break
		}
	}
	where := first.place.String()
	if n := len(missing); n > 1 {
		where = fmt.Sprintf("%d partitions of %s", n, first.topic)
	}
	text := fmt.Sprintf("the group %s has no offset in %s", group, where)
	if first.kind == FromGone {
		text = fmt.Sprintf("the records that the group %s would read next in %s were deleted", group, first.place)
		if !first.last.IsZero() {
			text += ", and the newest that it has read is of " + first.last.UTC().Format(time.RFC3339)
		}
	}
	if at := p.oldest(missing); at.IsZero() {
		text += "; there are no events in them now"
	} else {
		text += "; the oldest event there that it may not have seen is of " + at.UTC().Format(time.RFC3339)
	}
	return &cluster.Error{Kind: first.kind, Text: text}
}

// oldest returns the time of the oldest record in the lost partitions, or the zero time if they have none.
func (p positions) oldest(missing []lost) (oldest time.Time) {
	for _, l := range missing {
		start, ok := p.starts.Lookup(l.topic, l.number)
		if !ok || start.Timestamp < 0 {
			continue
		}
		if at := time.UnixMilli(start.Timestamp); oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}
