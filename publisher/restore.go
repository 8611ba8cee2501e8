package publisher

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
	"farmwire/event"
)

// restored is what was read from a partition of the state topic.
type restored struct {
	watch     *event.WatchRecord // nil if the partition has no watch record
	snapshots map[diff.WorkerKey]diff.Snapshot
	log       *event.Chain
	coverage  *event.CoverageState
	workers   []diff.WorkerKey
	records   int
}

// restore reads a shard's partition up to its uncommitted end. The shard must have been taken over before, so that no
// previous owner can write anything after that end. A large partition may take any time, as long as reading makes progress.
func (p *Publisher) restore(ctx context.Context, shard int) (restored, error) {
	at := p.statePartition(shard)
	s, err := p.brokers.span(ctx, at, uncommitted)
	if err != nil {
		return restored{}, err
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

// fold computes the state of a shard from its records.
type fold struct {
	topic    string
	restorer *diff.Restorer
	restored
}

func newFold(topic string) *fold { return &fold{topic: topic, restorer: diff.NewRestorer()} }

// add takes the next record.
func (f *fold) add(r *kgo.Record) error {
	f.records++
	var scanned event.ScannedSession
	if scanned.Scan(r.Value) && string(scanned.Session) == string(r.Key) {
		return f.addScanned(&scanned)
	}
	state, err := event.DecodeState(r.Key, r.Value)
	switch {
	case errors.Is(err, event.ErrUnknown):
		return refuse(VersionTooOld, "%s was written by a newer farmwire (%v): run the newer version", f.topic, err)
	case err != nil:
		return err
	case state.Key == event.WatchKey:
		f.watch = state.Watch
	case state.Log != nil:
		f.log = state.Log
	case state.Coverage != nil:
		f.coverage = state.Coverage
	case state.Workers != nil:
		f.workers = state.Workers
	case state.Absences != nil:
		f.restorer.PutAbsences(*state.Absences)
	case state.Forgotten():
		f.restorer.Delete(state.Key)
	default:
		f.restorer.Put(*state.Session)
	}
	return nil
}

// addScanned takes a session's record. Most sessions have ended, and of those only the ids are needed.
func (f *fold) addScanned(s *event.ScannedSession) error {
	if s.Ended() {
		f.restorer.PutEnded(s.Session, s.Farm, s.Fleet, s.Worker, s.Vanished)
		return nil
	}
	record, err := s.Record()
	if err != nil {
		return err
	}
	f.restorer.Put(record)
	return nil
}

func (f *fold) result() restored {
	out := f.restored
	of := func(string) diff.Watch { return diff.Watch{} }
	if f.watch != nil {
		of = f.watch.Of
	}
	out.snapshots = f.restorer.Snapshots(of)
	return out
}
