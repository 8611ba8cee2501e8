package poller

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"farmwire/diff"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// BenchmarkPollLargeFarm polls farms of different sizes at the same rate. It reports the processor time for each call,
// which must not grow with the number of workers.
func BenchmarkPollLargeFarm(b *testing.B) {
	for _, workers := range []int{75, 7500} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			var calls atomic.Int64
			client := directClient(direct{handler: largeFarm(workers, &calls)})
			p := New(client, Config{Farms: []string{"farm-1"}, Fleets: []string{"fleet-1"}, Rate: 400, Staleness: 100 * time.Millisecond}, zap.NewNop(), prometheus.NewRegistry())
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error)
			go func() { ended <- p.Run(ctx) }()
			w := &watcher{poller: p, snapshots: make(map[diff.WorkerKey]diff.Snapshot)}
			observations := p.Own(0, nil)
			deadline := time.After(3 * time.Second)
			before := processorTime(b)
			for b.Loop() {
				for running := true; running; {
					select {
					case o := <-observations:
						w.take(o)
						w.observations = w.observations[:0]
					case <-deadline:
						running = false
					}
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(calls.Load()), "µs/call")
			b.ReportMetric(float64(calls.Load())/3, "calls/s")
			cancel()
			<-ended
		})
	}
}

// largeFarm answers ListWorkers with so many workers, and ListSessionsForWorker with an empty list.
func largeFarm(workers int, calls *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if strings.HasSuffix(r.URL.Path, "/sessions") {
			fmt.Fprint(w, `{"sessions": []}`)
			return
		}
		var from int
		fmt.Sscan(r.URL.Query().Get("nextToken"), &from)
		var list []string
		for n := from; n < min(from+100, workers); n++ {
			list = append(list, fmt.Sprintf(`{"workerId": "worker-%d", "status": "IDLE"}`, n))
		}
		next := "null"
		if from+100 < workers {
			next = fmt.Sprintf(`"%d"`, from+100)
		}
		fmt.Fprintf(w, `{"workers": [%s], "nextToken": %s}`, strings.Join(list, ","), next)
	})
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
