package farmwire

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/publisher"
)

const (
	throttledShards = 12
	throttledFor    = time.Hour
	mostGapRecords  = 100 // of all shards, beside those of reason deleted
)

// throttledFarm is a simulated farm and an instance that follows all its shards. Its time is that of a synctest bubble.
type throttledFarm struct {
	farm   *farmtest.Server
	shards [throttledShards]*follower
}

// followAll follows a simulated farm, on which sessions and workers come and go, until the test ends.
func followAll(t *testing.T, workers int, settings poller.Config) *throttledFarm {
	t.Helper()
	f := &throttledFarm{farm: farmtest.New(farmtest.Config{
		Seed: 1, Clock: farmtest.NewClock(time.Now()), Workers: workers, Sessions: 300, Fleets: 5, Churn: .0002,
	})}
	account := &follower{account: f.farm}
	metrics, err := newMetrics(prometheus.NewRegistry(), "test")
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{config: Config{Client: account.client(), Poller: settings}, log: zap.NewNop(), metrics: metrics}
	l := i.newLoop(nil, throttledShards, func(workerID string) int { return publisher.ShardOf(workerID, throttledShards) })
	l.quiet = true
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	running.Go(func() { _ = l.poller.Run(ctx) })
	running.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			f.farm.Advance(time.Now())
		}
	})
	for shard := range f.shards {
		to := new(follower)
		f.shards[shard] = to
		running.Go(func() { _ = l.follow(ctx, shard, restored{snapshots: map[diff.WorkerKey]diff.Snapshot{}}, to) })
	}
	return f
}

// throttledRecord is a record of a gap, and of which shard it is.
type throttledRecord struct {
	coverage.Gap
	shard int
}

// gaps returns the records of gaps of all shards beside those of workers that were deleted.
func (f *throttledFarm) gaps() (all []throttledRecord) {
	for shard, s := range f.shards {
		for _, g := range s.gaps() {
			if g.Reason != coverage.Deleted {
				all = append(all, throttledRecord{g, shard})
			}
		}
	}
	return all
}

// missing returns the shards in which no open gap affects all of the kinds.
func (f *throttledFarm) missing(kinds coverage.Affects) (shards []int) {
	affected := make(map[int]coverage.Affects)
	for _, g := range f.open() {
		a := affected[g.shard]
		affected[g.shard] = coverage.Affects{
			Changes: a.Changes || g.Affects.Changes, Announced: a.Announced || g.Affects.Announced, Starts: a.Starts || g.Affects.Starts,
		}
	}
	for shard := range f.shards {
		a := affected[shard]
		if kinds.Changes && !a.Changes || kinds.Announced && !a.Announced || kinds.Starts && !a.Starts {
			shards = append(shards, shard)
		}
	}
	return shards
}

// open returns the gaps that are open.
func (f *throttledFarm) open() (all []throttledRecord) {
	type id struct {
		shard  int
		number uint64
	}
	open := make(map[id]throttledRecord)
	for _, g := range f.gaps() {
		if g.Closed {
			delete(open, id{g.shard, g.Number})
		} else {
			open[id{g.shard, g.Number}] = g
		}
	}
	for _, g := range open {
		all = append(all, g)
	}
	return all
}

// What is throttled for an hour is in few gaps, however much of it: none is published because a shard's own requests happen to be
// throttled while others are answered.
//
// The cases in which many requests are answered have a fifth of the workers and of the rate, so that they do not take too long.
func TestThrottledHour(t *testing.T) {
	throttle := func(probability float64, operations ...farmtest.Operation) (faults []farmtest.Fault) {
		for _, o := range operations {
			faults = append(faults, farmtest.Fault{Kind: farmtest.Throttled, Operation: o, Probability: probability})
		}
		return faults
	}
	large, small := poller.Config{}, poller.Config{Rate: 2}
	everything := coverage.Affects{Changes: true, Announced: true, Starts: true}
	for name, tc := range map[string]struct {
		settings poller.Config
		faults   []farmtest.Fault
		gaps     coverage.Affects // that are open in all shards; a shard of which nothing is asked meanwhile has none
		after    time.Duration    // since the beginning
	}{
		"all requests":    {settings: large, faults: throttle(1, ""), gaps: everything, after: 2 * time.Minute},
		"90% of requests": {settings: large, faults: throttle(.9, "")},
		"all listings":    {settings: small, faults: throttle(1, farmtest.ListSessionsForWorker)},
		"all discovery":   {settings: small, faults: throttle(1, farmtest.ListFarms, farmtest.ListFleets, farmtest.ListWorkers)},
	} {
		t.Run(name, func(t *testing.T) {
			workers := 7500
			if tc.settings.Rate != 0 {
				workers = 1500
			}
			synctest.Test(t, func(t *testing.T) {
				f := followAll(t, workers, tc.settings)
				time.Sleep(5 * time.Minute)
				before := len(f.gaps())
				f.farm.SetFaults(tc.faults...)
				time.Sleep(tc.after)
				synctest.Wait()
				if shards := f.missing(tc.gaps); len(shards) > 0 {
					t.Errorf("after %v no gap of %+v is open in shards %v", tc.after, tc.gaps, shards)
				}
				time.Sleep(throttledFor - tc.after)
				synctest.Wait()
				if n := f.farm.Calls()[farmtest.ListSessionsForWorker]["ThrottlingException"] + f.farm.Calls()[farmtest.ListWorkers]["ThrottlingException"]; n < 100 {
					t.Errorf("only %d requests were throttled", n)
				}
				f.farm.SetFaults()
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				published := f.gaps()[before:]
				t.Logf("%d records of gaps", len(published))
				if len(published) > mostGapRecords {
					t.Errorf("%d records of gaps, want at most %d", len(published), mostGapRecords)
				}
				if open := f.open(); len(open) > 0 {
					t.Errorf("after the hour these gaps are open: %+v", open)
				}
			})
		})
	}
}
