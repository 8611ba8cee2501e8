package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Position is where reading begins. The zero value is the beginning.
type Position struct {
	now bool
	at  time.Time
}

// Beginning is the oldest record that the topics still hold.
func Beginning() Position { return Position{} }

// Now is behind everything that is committed.
func Now() Position { return Position{now: true} }

// At is the first record that Farmwire handed to Kafka at or after a time, to the millisecond.
func At(t time.Time) Position { return Position{at: t.Truncate(time.Millisecond)} }

// ParsePosition reads now, beginning, a time in the past such as 2026-11-26T18:00:00Z, or a duration before now such as 15m. Its
// error does not quote the text.
func ParsePosition(text string, now time.Time) (Position, error) {
	switch text {
	case "now":
		return Now(), nil
	case "beginning":
		return Beginning(), nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return At(now.Add(-d)), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil || t.IsZero():
		return Position{}, errors.New("give now, beginning, a duration such as 15m, or a time such as 2026-11-26T18:00:00Z")
	case t.After(now):
		return Position{}, errors.New("the time is in the future: give now, or a time in the past")
	}
	return At(t), nil
}

// String returns the position as [ParsePosition] reads it.
func (p Position) String() string {
	switch {
	case p.now:
		return "now"
	case p.at.IsZero():
		return "beginning"
	default:
		return p.at.UTC().Format(time.RFC3339)
	}
}

// Offsets returns the offsets of the position, by topic and partition. Behind that of a time there may be a few earlier records.
// Its error is an error of any partition.
func (p Position) Offsets(ctx context.Context, admin *kadm.Client, topics ...string) (kadm.ListedOffsets, error) {
	if !p.now && p.at.IsZero() {
		return listed(admin.ListStartOffsets(ctx, topics...))
	}
	committed, err := listed(admin.ListCommittedOffsets(ctx, topics...))
	if err != nil || p.now {
		return committed, err
	}
	// Negative times have a meaning of their own in the protocol.
	offsets, err := listed(admin.ListOffsetsAfterMilli(ctx, max(0, p.at.UnixMilli()), topics...))
	if err != nil {
		return nil, err
	}
	// Where no record is that late, kadm asks once more, for the end. Between the two, records may have come.
	offsets.Each(func(o kadm.ListedOffset) {
		if end, ok := committed.Lookup(o.Topic, o.Partition); ok && o.Timestamp < 0 {
			offsets[o.Topic][o.Partition] = end
		}
	})
	return offsets, nil
}

// listed returns an error if an offset could not be found out.
func listed(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	if err != nil {
		return nil, err
	}
	offsets.Each(func(o kadm.ListedOffset) {
		if o.Err != nil && err == nil {
			err = fmt.Errorf("offsets of %s/%d: %w", o.Topic, o.Partition, o.Err)
		}
	})
	return offsets, err
}
