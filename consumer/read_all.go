package consumer

import (
	"context"
	"maps"
)

// ReadAll returns all records of a topic, in the order of time, up to the end that it had when ReadAll was called. It returns an
// error if ctx ends before it has read up to there. So the newest record must not be one that compaction has removed.
func ReadAll(ctx context.Context, c Config, topic string) (all []Record, err error) {
	r, err := Open(ctx, c, Beginning(), topic)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	unread := maps.Clone(r.backlog.ends)
	for len(unread) > 0 {
		records, err := r.Read(ctx)
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			at := place{topic, record.Partition}
			if end, ok := unread[at]; ok && record.Offset+1 >= end {
				delete(unread, at)
			}
		}
		all = append(all, records...)
	}
	return all, nil
}
