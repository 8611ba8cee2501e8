package audit

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/consumer"
	"farmwire/event"
)

// checkpointStep is how many records Checkpoints reads first at the end of each partition.
const checkpointStep = 1000

// Checkpoints returns the newest signed note of each shard that has one. It does not check them.
func Checkpoints(ctx context.Context, c consumer.Config) ([]string, error) {
	r, err := openReader(ctx, c)
	if err != nil {
		return nil, err
	}
	defer r.close()
	notes, err := r.newestNotes(ctx)
	if err != nil {
		return nil, endedBy(ctx, err)
	}
	return notes, nil
}

func (r *reader) newestNotes(ctx context.Context) ([]string, error) {
	topic := r.config.CoverageTopic()
	if err := r.exist(ctx, topic); err != nil {
		return nil, err
	}
	spans, err := r.spans(ctx, topic, committed)
	if err != nil {
		return nil, err
	}
	newest := make([]newestNote, len(spans))
	for step := int64(checkpointStep); ; step *= 8 {
		var behind []span
		for p, s := range spans {
			if from := max(s.first, s.end-step); newest[p].text == "" && from < s.end {
				behind = append(behind, span{from, s.end})
			} else {
				behind = append(behind, span{})
			}
		}
		visitors := make([]*newestNote, len(newest))
		for p := range newest {
			visitors[p] = &newest[p]
		}
		if err := readTopic(ctx, r, topic, behind, visitors); err != nil {
			return nil, err
		}
		isDone := true
		for p, s := range spans {
			isDone = isDone && (newest[p].text != "" || s.end-step <= s.first)
		}
		if isDone {
			break
		}
	}
	var notes []string
	for _, n := range newest {
		if n.text != "" {
			notes = append(notes, n.text)
		}
	}
	return notes, nil
}

// newestNote is the newest checkpoint of a partition.
type newestNote struct{ text string }

func (n *newestNote) visit(k *kgo.Record) {
	record, err := event.DecodeCoverage(k.Key, k.Value, convert(k, nil).Headers)
	if err == nil && record.Checkpoint != "" {
		n.text = record.Checkpoint
	}
}

func (*newestNote) forget() {}
