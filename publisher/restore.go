package publisher

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// restored is what a partition of the state topic holds.
type restored struct {
	watch     *Watch // nil: the partition has no watch record
	snapshots map[string]diff.Snapshot
	records   int
}

// restore reads a shard's partition up to its uncommitted end. The shard must have been taken over before, so that
// nothing of a previous owner can be written beyond it.
func (p *Publisher) restore(ctx context.Context, shard int) (restored, error) {
	at := p.statePartition(shard)
	s, err := p.brokers.span(ctx, at, uncommitted)
	if err != nil {
		return restored{}, err
	}
	select {
	case p.restoring <- struct{}{}:
		defer func() { <-p.restoring }()
	case <-ctx.Done():
		return restored{}, ctx.Err()
	}
	fold := newFold(at.topic)
	err = p.brokers.read(ctx, at, committed, s, func(r *kgo.Record) (bool, error) {
		if r.Attrs.IsControl() {
			return false, nil
		}
		return false, fold.add(r)
	})
	if err != nil {
		return restored{}, err
	}
	return fold.result(), nil
}

// fold makes a shard's state of its records.
type fold struct {
	topic    string
	restorer *diff.Restorer
	watch    *Watch
	records  int
}

func newFold(topic string) *fold { return &fold{topic: topic, restorer: diff.NewRestorer()} }

func (f *fold) add(r *kgo.Record) error {
	var s stateRecord
	f.records++
	switch {
	case string(r.Key) == watchKey:
		return f.addWatch(r.Value)
	case r.Value == nil:
		f.restorer.Delete(string(r.Key))
		return nil
	case !scanState(r.Value, &s):
		return f.addJSON(r.Value)
	}
	if s.ended() {
		f.restorer.PutEnded(s.session, s.farm, s.fleet, s.worker, s.vanished)
		return nil
	}
	record, err := s.record()
	if err != nil {
		return err
	}
	f.restorer.Put(record)
	return nil
}

func (f *fold) addJSON(value []byte) error {
	record, found, err := decodeState(value)
	if err != nil {
		return err
	}
	if found > schema {
		return refuseSchema(f.topic, found)
	}
	f.restorer.Put(record)
	return nil
}

func (f *fold) addWatch(value []byte) error {
	if value == nil {
		f.watch = nil
		return nil
	}
	w, err := decodeWatch(value)
	if err != nil {
		return err
	}
	f.watch = &w
	return nil
}

func (f *fold) result() restored {
	out := restored{watch: f.watch, records: f.records}
	of := func(string) diff.Watch { return diff.Watch{} }
	if f.watch != nil {
		of = f.watch.Of
	}
	out.snapshots = f.restorer.Snapshots(of)
	return out
}
