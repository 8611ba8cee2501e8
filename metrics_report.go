package farmwire

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"farmwire/status"
)

// reportCollector makes metrics of the same report that /readyz and the log use. It makes a report each time that the metrics
// are collected.
type reportCollector struct {
	report func() status.Report

	ready, shards, lastCommit, neverListed, oldestLook, watermark, throttled, expected *prometheus.Desc
}

func reportMetrics(report func() status.Report) prometheus.Collector {
	metric := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &reportCollector{
		report:      report,
		ready:       metric("farmwire_ready", "1 if the instance is ready, else 0."),
		shards:      metric("farmwire_shards", "Shards, by what this instance does with them; other: they are not assigned to this instance.", "state"),
		lastCommit:  metric("farmwire_last_commit_seconds", "Time since the last commit of a shard of this instance, or since it was assigned; the longest of them."),
		neverListed: metric("farmwire_workers_never_listed", "Workers that ListWorkers shows and that this instance has never listed."),
		oldestLook:  metric("farmwire_oldest_look_seconds", "Time since an answer last showed an open session, as committed; the longest of all open sessions."),
		watermark:   metric("farmwire_watermark_age_seconds", "How long ago the time is up to which everything was looked at and published, by what was looked at: changes of open sessions, what the statuses of workers announce, and starts; the longest of this instance's shards. Missing as long as not everything was looked at once.", "kind"),
		throttled:   metric("farmwire_api_throttled_ratio", "The part of the attempts in the last five minutes that was throttled, from 0 to 1."),
		expected:    metric("farmwire_expected_delay_seconds", "How long after starts and ends the instance can be expected to see them, by the mean and the 99th percentile.", "kind", "quantile"),
	}
}

// Describe is a method of prometheus.Collector.
func (c *reportCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.ready, c.shards, c.lastCommit, c.neverListed, c.oldestLook, c.watermark, c.throttled, c.expected} {
		to <- d
	}
}

// Collect is a method of prometheus.Collector.
func (c *reportCollector) Collect(to chan<- prometheus.Metric) {
	r := c.report()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	ready := 0.0
	if r.Ready() {
		ready = 1
	}
	gauge(c.ready, ready)
	counts := map[status.ShardState]int{}
	for _, s := range r.Shards {
		counts[s.State]++
	}
	gauge(c.shards, float64(counts[status.Acquiring]), "acquiring")
	gauge(c.shards, float64(counts[status.Followed]), "followed")
	gauge(c.shards, float64(counts[status.Waiting]), "waiting")
	gauge(c.shards, float64(max(0, r.AllShards-len(r.Shards))), "other")
	gauge(c.lastCommit, sinceCommit(r).Seconds())
	gauge(c.neverListed, float64(r.Polling.NeverListed))
	gauge(c.oldestLook, r.Polling.OldestLook.Seconds())
	w := r.Polling.Watermarks
	for kind, age := range map[string]*time.Duration{"changes": w.Changes, "announced": w.Announced, "starts": w.Starts} {
		if age != nil {
			gauge(c.watermark, age.Seconds(), kind)
		}
	}
	gauge(c.throttled, r.Polling.ThrottledRatio)
	for kind, d := range map[string]status.Delay{"start": r.Polling.Expected.Starts, "end": r.Polling.Expected.Ends} {
		if d != (status.Delay{}) {
			gauge(c.expected, d.Mean.Seconds(), kind, "mean")
			gauge(c.expected, d.P99.Seconds(), kind, "0.99")
		}
	}
}

// sinceCommit returns the longest time since a shard has committed, or has been assigned. It is 0 without a shard.
func sinceCommit(r status.Report) time.Duration {
	var longest time.Duration
	for _, s := range r.Shards {
		longest = max(longest, r.At.Sub(s.LastCommit()))
	}
	return longest
}
