package trigger

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

const commitTimeout = 5 * time.Second

var errEnded = errors.New("the session has ended")

// commit commits how far partitions are done.
//
// A commit may have to wait, for the one before it or for the group. So what it sends is decided when it is sent: an older state
// never replaces a newer one, and nothing is sent for a partition that this instance has lost while it waited. If that lasts longer
// than commitTimeout, commit returns an error. The client may send the commit all the same, later.
func (l *loop) commit(ctx context.Context, all []*partition) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for _, p := range all {
		if offsets[p.topic] == nil {
			offsets[p.topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.topic][p.number] = kgo.EpochOffset{} // fill says which
	}
	sent := map[*partition]commit{}
	sending := kgo.PreCommitFnContext(ctx, func(r *kmsg.OffsetCommitRequest) error {
		if !l.do(func() { l.fill(r, all, sent) }) {
			return errEnded
		}
		return nil
	})
	answered := make(chan error, 1)
	go l.kafka.CommitOffsetsSync(sending, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if err == nil {
			err = commitError(answer)
		}
		answered <- err
	})
	var err error
	select {
	case err = <-answered:
	case <-ctx.Done(): // behind requests that nobody answers the client does not look at the context
		err = ctx.Err()
	}
	l.do(func() { l.committed(sent, err) })
	return err
}

// toCommit returns where the group is to stand in a partition. It also holds how many events in a row were given up, so that a
// trigger that stopped because of them does not give up as many again when it is started again.
func (l *loop) toCommit(p *partition) commit {
	p.inRow = l.deadInRow
	return p.commit(l.longestMetadata)
}

// fill puts into a request where the group is to stand in the partitions, and leaves those out that are not this instance's any
// more.
func (l *loop) fill(r *kmsg.OffsetCommitRequest, all []*partition, sent map[*partition]commit) {
	topics := r.Topics
	r.Topics = nil
	for _, t := range topics {
		partitions := t.Partitions
		t.Partitions = nil
		for _, request := range partitions {
			for _, p := range all {
				if p.place != (place{t.Topic, request.Partition}) || !l.owns(p) || p.member != r.MemberID {
					continue
				}
				c := l.toCommit(p)
				sent[p] = c
				request.Offset, request.LeaderEpoch, request.Metadata = c.offset, -1, &c.metadata
				t.Partitions = append(t.Partitions, request)
			}
		}
		if len(t.Partitions) > 0 {
			r.Topics = append(r.Topics, t)
		}
	}
}

// commitError returns the first error of a partition.
func commitError(answer *kmsg.OffsetCommitResponse) error {
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// committed takes in what came of a commit.
func (l *loop) committed(sent map[*partition]commit, err error) {
	if l.commitErr = err; err == nil {
		for p, c := range sent {
			p.committed = c
		}
		return
	}
	if errors.Is(err, kerr.OffsetMetadataTooLarge) {
		l.longestMetadata /= 2 // what is done behind an event that is held back may come again after a restart
	}
	if l.logged.Allows(err) {
		l.log.Warn("what is done cannot be committed; trying again", zap.Error(l.explain(err)))
	}
}

// commitInBackground commits what is done, unless a commit is under way.
func (l *loop) commitInBackground() {
	if l.committing {
		return
	}
	var changed []*partition
	for _, p := range l.partitions {
		if l.toCommit(p) != p.committed {
			changed = append(changed, p)
		}
	}
	if len(changed) == 0 {
		l.commitErr = nil // of partitions that have moved since
		return
	}
	l.committing = true
	go func() {
		_ = l.commit(context.Background(), changed) // committed has taken it in
		l.do(func() { l.committing = false })
	}()
}
