package farmwire_test

import (
	"cmp"
	"context"
	"flag"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/event"
	"farmwire/poller"
	"farmwire/poller/farmtest"
	"farmwire/poller/plan"
	"farmwire/publisher/kafkatest"
)

var measure = flag.Bool("delays", false, "measure in real time how soon changes are published, for ten to twenty minutes")

// measurement is a farm over HTTP, whose changes the whole program publishes to a broker in this process.
type measurement struct {
	name         string
	farm         farmtest.Config
	rate         float64
	after        time.Duration // from the start of the program to the first change that counts; the first listings take most of it
	window       time.Duration // from there to the last one
	ends, starts time.Duration // the longest medians that are good enough; 0: any
}

// farmOf returns a farm of workers of which none comes or goes. Each session is followed by another one on any free worker.
func farmOf(workers, sessions int, length time.Duration) farmtest.Config {
	return farmtest.Config{Workers: workers, Sessions: sessions, MeanSession: length, Spread: .3, JobSize: 100, Churn: -1}
}

// The changes of a farm are published as soon as the schedule promises, in real time and with all that is between a request
// and Kafka. Without -delays, the farm is ten times as fast, and all that counts is that all changes are published.
//
//	go test . -run Delays -delays -parallel 3 -timeout 30m -v
func TestDelays(t *testing.T) {
	if !*measure {
		t.Parallel()
		fast := farmOf(500, 30, time.Minute)
		fast.Speed = 10
		measurement{farm: fast, rate: 20, after: 5 * time.Second, window: 15 * time.Second}.run(t)
		return
	}
	for _, m := range []measurement{
		{
			name: "a tenth of 300 workers is busy", farm: farmOf(300, 30, time.Minute), rate: 2,
			after: 4 * time.Minute, window: 5 * time.Minute, ends: 4 * time.Second, starts: 11 * time.Second,
		},
		{name: "1,000 idle workers", farm: farmOf(1000, 50, 2*time.Minute), rate: 5, after: 5 * time.Minute, window: 5 * time.Minute},
		{name: "100 workers in turn", farm: farmOf(100, 33, 2*time.Minute), rate: 10, after: time.Minute, window: 5 * time.Minute},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.run(t)
		})
	}
}

// run runs the program, until all changes of the window are published, but at most two minutes longer.
func (m measurement) run(t *testing.T) {
	s := &stage{t: t, farm: farmtest.New(m.farm), gate: kafkatest.NewGate()}
	if err := s.farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.farm.Close() })
	s.startKafka()
	config := s.config()
	config.Poller = poller.Config{Rate: m.rate}
	r := s.run(config)
	began := time.Now()
	from := began.Add(m.after)
	to := from.Add(m.window)

	published := s.follow(to.Add(2*time.Minute), func(published publishedTimes) bool {
		return time.Now().After(to) && published.missing(s.farm.Cloud().Truth(), from, to) == 0
	})
	r.stop()
	truth := s.farm.Cloud().Truth()
	if n := published.missing(truth, from, to); n > 0 {
		t.Logf("%d changes are not published yet", n)
	}
	sure := truth
	if *measure {
		sure = announced(truth) // the others may wait until their worker is listed in turn, which takes hours
	}
	if n := published.missing(sure, from, to); n > 0 {
		t.Errorf("%d of them should be", n)
	}
	t.Logf("requests: %v", s.farm.Calls())
	starts, ends := published.delays(truth, from, to)
	m.judge(t, "starts", starts, m.starts)
	m.judge(t, "ends", ends, m.ends)
	if *measure {
		m.comparePlan(t, published, sure, from, to)
	}
}

// judge says how large the delays are, and whether their median is good enough.
func (m measurement) judge(t *testing.T, what string, delays []time.Duration, most time.Duration) {
	t.Helper()
	if len(delays) == 0 {
		t.Fatalf("no %s", what)
	}
	median := quantile(delays, .5)
	found := slices.DeleteFunc(slices.Clone(delays), func(d time.Duration) bool { return d == notPublished })
	t.Logf("%d of %d %s were published, %.1f s after they happened in the mean, %.1f s in the median, %.1f s and %.1f s at the 95th and 99th percentile",
		len(found), len(delays), what, mean(found).Seconds(), median.Seconds(), quantile(delays, .95).Seconds(), quantile(delays, .99).Seconds())
	if most > 0 && median > most {
		t.Errorf("%s: the median is %v, and it should be at most %v", what, median, most)
	}
}

// announced returns the sessions that the status of their worker announces: they last for a heartbeat at least, and no other
// session was open on their worker when they started.
func announced(truth []farmtest.SessionTruth) []farmtest.SessionTruth {
	const heartbeat = 15 * time.Second
	isOpen := func(s farmtest.SessionTruth, at time.Time) bool {
		return s.StartedAt.Before(at) && (s.EndedAt == nil || s.EndedAt.After(at))
	}
	return slices.DeleteFunc(slices.Clone(truth), func(s farmtest.SessionTruth) bool {
		return s.EndedAt != nil && s.EndedAt.Sub(s.StartedAt) < heartbeat ||
			slices.ContainsFunc(truth, func(other farmtest.SessionTruth) bool {
				return other.WorkerID == s.WorkerID && isOpen(other, s.StartedAt)
			})
	})
}

// comparePlan compares the delays with what can be expected. The sessions are without those that nothing announces, of which a
// plan promises nothing: about one in thirty is over too soon, or starts beside another session of its worker.
func (m measurement) comparePlan(t *testing.T, published publishedTimes, truth []farmtest.SessionTruth, from, to time.Time) {
	const within = .3
	starts, ends := published.delays(truth, from, to)
	expected, err := plan.Expect(plan.Farm{
		Workers: m.farm.Workers, Starts: float64(m.farm.Sessions) / m.farm.MeanSession.Seconds(), Length: m.farm.MeanSession,
		Spread: m.farm.Spread, Pages: 1,
	}, m.rate)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name       string
		have, want time.Duration
	}{
		{"mean of starts", expected.Starts.Mean, mean(starts)}, {"p99 of starts", expected.Starts.P99, quantile(starts, .99)},
		{"mean of ends", expected.Ends.Mean, mean(ends)}, {"p99 of ends", expected.Ends.P99, quantile(ends, .99)},
	} {
		ratio := f.have.Seconds() / f.want.Seconds()
		t.Logf("%s: expected %.1f s, happened %.1f s, ratio %.2f", f.name, f.have.Seconds(), f.want.Seconds(), ratio)
		if strings.HasPrefix(f.name, "mean") && (ratio < 1-within || ratio > 1+within) {
			t.Errorf("%s: the ratio is %.2f", f.name, ratio)
		}
	}
}

// publishedTimes are the times at which the first sight and the end of each session were handed to Kafka.
type publishedTimes struct{ seen, ended map[string]time.Time }

// follow reads what is committed to Kafka until enough says so, or until a deadline.
func (s *stage) follow(deadline time.Time, enough func(publishedTimes) bool) publishedTimes {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.addrs...), kgo.ConsumeTopics("farm.events"), kgo.UnknownTopicRetries(-1),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	published := publishedTimes{map[string]time.Time{}, map[string]time.Time{}}
	for !enough(published) && time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		client.PollFetches(ctx).EachRecord(func(r *kgo.Record) { published.add(s.decode(r)) })
		cancel()
	}
	return published
}

// add takes in an event.
func (p publishedTimes) add(e event.Event) {
	id := e.Session.SessionID
	if _, ok := p.seen[id]; !ok {
		p.seen[id] = e.RecordedTime
	}
	if strings.HasSuffix(e.Type, ".ended.v1") {
		p.ended[id] = e.RecordedTime
	}
}

// missing counts the starts and ends within a time that were not published.
func (p publishedTimes) missing(truth []farmtest.SessionTruth, from, to time.Time) int {
	starts, ends := p.delays(truth, from, to)
	return count(starts, notPublished) + count(ends, notPublished)
}

// notPublished is the delay of a change that was not published.
const notPublished = time.Hour

// delays returns how long after each start and each end within a time it was published, the shortest first.
func (p publishedTimes) delays(truth []farmtest.SessionTruth, from, to time.Time) (starts, ends []time.Duration) {
	after := func(published map[string]time.Time, id string, happened time.Time) time.Duration {
		if at, ok := published[id]; ok {
			return at.Sub(happened)
		}
		return notPublished
	}
	within := func(at time.Time) bool { return at.After(from) && at.Before(to) }
	for _, s := range truth {
		if within(s.StartedAt) {
			starts = append(starts, after(p.seen, s.SessionID, s.StartedAt))
		}
		if s.EndedAt != nil && within(*s.EndedAt) {
			ends = append(ends, after(p.ended, s.SessionID, *s.EndedAt))
		}
	}
	slices.Sort(starts)
	slices.Sort(ends)
	return starts, ends
}

func count[T comparable](all []T, wanted T) (n int) {
	for _, one := range all {
		if one == wanted {
			n++
		}
	}
	return n
}

// quantile returns the delay that a share q of the sorted ones does not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func mean(delays []time.Duration) (sum time.Duration) {
	for _, d := range delays {
		sum += d
	}
	return sum / time.Duration(cmp.Or(len(delays), 1))
}
