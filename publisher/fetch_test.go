package publisher

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// An answer without records means that there are none only if it reaches the end.
func TestProofOfAnEmptyRest(t *testing.T) {
	at := topicPartition{"state", 1}
	for name, c := range map[string]struct {
		level        isolation
		high, stable int64
		code         int16
		next         int64
		want         error
	}{
		"committed, to the end":               {committed, 9, 9, 0, 9, nil},
		"committed, beyond the end":           {committed, 12, 10, 0, 9, nil},
		"committed, a transaction is open":    {committed, 12, 8, 0, 5, errNoProgress},
		"committed, nothing is told":          {committed, -1, -1, 0, 5, errNoProgress},
		"uncommitted, to the end":             {uncommitted, 9, 5, 0, 9, nil},
		"uncommitted, the leader is behind":   {uncommitted, 8, 8, 0, 5, errNoProgress},
		"an error, whatever else is said":     {committed, 9, 9, 6, 5, asError(6)},
		"an offset that is out of its range":  {committed, 9, 9, 1, 5, asError(1)},
		"an offset that is not available yet": {uncommitted, 9, 9, 78, 5, codeOffsetNotAvailable},
	} {
		answer := &kmsg.FetchResponseTopicPartition{Partition: 1, ErrorCode: c.code, HighWatermark: c.high, LastStableOffset: c.stable}
		records, next, err := fetched(at, c.level, span{5, 9}, answer)
		if len(records) > 0 || next != c.next || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %d, %v; want none, %d, %v", name, records, next, err, c.next, c.want)
		}
	}
}
