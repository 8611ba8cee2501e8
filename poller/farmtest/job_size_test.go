package farmtest_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"farmwire/poller/farmtest"
)

// span is a time with an open session.
type span struct{ from, to time.Time }

// spans returns when the sessions were open, from the time begin to the time end.
func spans(all []farmtest.SessionTruth, begin, end time.Time, of func(farmtest.SessionTruth) string) map[string][]span {
	open := map[string][]span{}
	for _, s := range all {
		to := end
		if s.EndedAt != nil {
			to = *s.EndedAt
		}
		if to.After(begin) {
			open[of(s)] = append(open[of(s)], span{s.StartedAt, to})
		}
	}
	return open
}

// most returns the largest number of spans at a time.
func most(all []span) (n int) {
	for _, one := range all {
		now := 0
		for _, other := range all {
			if !other.from.After(one.from) && other.to.After(one.from) {
				now++
			}
		}
		n = max(n, now)
	}
	return n
}

// A farm with large jobs: 300 workers of which a tenth is busy with sessions of a minute, in jobs of a hundred.
func TestLargeJobs(t *testing.T) {
	begin, length := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), 40*time.Minute
	cfg := farmtest.Config{
		Seed: 1, Workers: 300, Sessions: 30, MeanSession: time.Minute, Spread: 0.3, JobSize: 100, History: -1, Churn: -1,
	}
	all := simulate(t, cfg, length)
	end := begin.Add(length)
	began := 0
	busy := time.Duration(0)
	for _, one := range spans(all, begin, end, func(s farmtest.SessionTruth) string { return s.WorkerID }) {
		slices.SortFunc(one, func(a, b span) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
		until := begin
		for _, s := range one {
			if !s.from.Before(begin) {
				began++
			}
			busy += max(0, s.to.Sub(later(s.from, until)))
			until = later(until, s.to)
		}
	}
	if rate := float64(began) / length.Seconds(); rate < 0.4 || rate > 0.6 {
		t.Errorf("%.2f starts a second, want 0.5", rate)
	}
	if share := busy.Seconds() / length.Seconds() / 300; share < 0.09 || share > 0.105 {
		t.Errorf("%.1f %% of the workers are busy, want 10", 100*share)
	}
	if n := most(spans(all, begin, end, func(farmtest.SessionTruth) string { return "" })[""]); n > 32 {
		t.Errorf("%d sessions open at a time, want 30", n)
	}
	jobs := spans(all, begin, end, func(s farmtest.SessionTruth) string { return s.JobID })
	wide, sizes := 0, 0
	for _, one := range jobs {
		sizes += len(one)
		if most(one) >= 10 {
			wide++
		}
	}
	if mean := sizes / len(jobs); mean < 60 || mean > 150 {
		t.Errorf("%d sessions a job on average, want about 100", mean)
	}
	if wide < len(jobs)/2 {
		t.Errorf("only %d of %d jobs have ten sessions open at a time", wide, len(jobs))
	}
	t.Logf("%.2f starts a second, %.1f %% busy, %d jobs with %d sessions, %d of them with ten open at a time",
		float64(began)/length.Seconds(), 100*busy.Seconds()/length.Seconds()/300, len(jobs), sizes, wide)
	for _, s := range all {
		if s.WorkerDeleted != nil {
			t.Fatalf("%s was deleted", s.WorkerID)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// The spread decides how many sessions are much shorter than the mean.
func TestSpreadOfSessionLengths(t *testing.T) {
	for spread, want := range map[float64][2]float64{0: {0.25, 0.45}, 1.3: {0.25, 0.45}, 0.3: {0, 0.08}} {
		short, ended := 0, 0
		cfg := farmtest.Config{Seed: 2, Workers: 100, MeanSession: time.Minute, Spread: spread, History: -1}
		for _, s := range simulate(t, cfg, 20*time.Minute) {
			if s.EndedAt == nil || slices.ContainsFunc(s.States, func(st farmtest.StateTruth) bool { return st.TargetLifecycleStatus != nil }) {
				continue
			}
			if ended++; s.EndedAt.Sub(s.StartedAt) < 15*time.Second {
				short++
			}
		}
		if share := float64(short) / float64(ended); share < want[0] || share > want[1] || ended < 500 {
			t.Errorf("spread %g: %.2f of %d sessions are short", spread, share, ended)
		}
	}
}
