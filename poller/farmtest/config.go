package farmtest

import "time"

// Config describes the simulated region. The zero value is an empty region under manual control.
// Speed divides the durations that are described as scaled, and no others.
type Config struct {
	Seed uint64
	// Start tells apart the starts of one region: if it is not 0, farms, fleets and queues follow from Seed alone, and workers,
	// jobs and sessions from Start too. The default is 0: all follow from Seed.
	Start uint64
	// Clock is our clock. By default it is the real clock. With another clock, only Server.Advance moves the timeline.
	Clock *Clock
	// Skew is how far the service's clock is ahead of ours.
	Skew time.Duration

	// PageSize is the largest number of entries on a page, from 1 to 100. The default is 100.
	PageSize int
	// HistoryPage is PageSize for ListSessionsForWorker, where it is to be another: with a small one even short histories have
	// several pages. The default is PageSize.
	HistoryPage int
	// Order is the order of every listing.
	Order  Order
	Faults []Fault
	// Quotas limit the rate of calls. The one for AnyOperation counts the calls of all operations together.
	Quotas map[Operation]Quota

	// Workers is the approximate number of workers that the timeline keeps. With 0 there is no timeline, and the
	// fields from here to Retention have no effect. Statuses of workers then change by Worker.SetStatus alone.
	Workers int
	// Farms is the number of farms. The default is 1.
	Farms int
	// Fleets is the number of fleets in each farm. The default is 2. If there are several, the first has a fixed size
	// and the others scale.
	Fleets int
	// Sessions is the approximate number of open sessions. The default is 3/4 of Workers.
	Sessions int
	// MeanSession is the mean duration of a session, scaled. The default is 20 minutes.
	MeanSession time.Duration
	// Spread is the standard deviation of the logarithm of a session's duration. The default is 1.3: a third of the
	// sessions is shorter than a quarter of the mean, and some are many times as long. With 0.3 the durations are alike.
	Spread float64
	// JobSize is the mean number of sessions of a job. By default it is a few, and jobs arrive at random times, so that
	// the number of open sessions varies. If it is set, each fleet has its share of Sessions open at any time, and one job for
	// every 50 of its workers is active. Whenever a session ends, one of these jobs starts its next session on a
	// free worker. When a job has started its last session, a new job takes its place.
	JobSize int
	// Heartbeat is the time between two reports of a worker's agent, scaled. RUNNING or IDLE is what the agent last
	// reported. It reports RUNNING if a session is open, or ended at most 5 seconds (scaled) before. Each agent has its
	// own phase. All other statuses show at once. The default is 15 seconds. If it is negative, RUNNING and IDLE show at
	// once, too.
	Heartbeat time.Duration
	// History is the mean number of ended sessions that a worker has at the start. The default is 3. A negative
	// number means none.
	History float64
	// Speed is how many times as fast as a real farm the timeline runs. The default is 1.
	Speed float64
	// Churn is the share of the workers that is reclaimed each minute, whether or not they have sessions. If it is
	// negative, no worker comes or goes: all fleets have a fixed size.
	Churn float64
	// Grace is the shortest time from the start of a worker's last session to the deletion of the worker. The default
	// is 60 seconds.
	Grace time.Duration
	// Forget is how long the timeline's ended sessions are kept after their worker was deleted. Some jobs
	// are deleted as long after their last session. Zero means forever.
	Forget time.Duration
	// Retention is how long any ended session of the timeline is kept. Zero means forever.
	Retention time.Duration

	// TruthFile is the path of the file that the truth is written to, or empty for none. A session is written when it
	// is forgotten, and the others when the server is closed.
	TruthFile string
	// RequestFile is the path of the file that every request is written to, or empty for none. The server needs Start for it.
	RequestFile string
	// Observer is called for every call just before the answer is written, on the goroutine that answers. It may be
	// nil.
	Observer func(Call)
}

func (cfg Config) withDefaults() Config {
	if cfg.PageSize <= 0 || cfg.PageSize > 100 {
		cfg.PageSize = 100
	}
	if cfg.HistoryPage <= 0 || cfg.HistoryPage > 100 {
		cfg.HistoryPage = cfg.PageSize
	}
	if cfg.Farms <= 0 {
		cfg.Farms = 1
	}
	if cfg.Fleets <= 0 {
		cfg.Fleets = 2
	}
	if cfg.Sessions <= 0 {
		cfg.Sessions = max(1, cfg.Workers*3/4)
	}
	if cfg.MeanSession <= 0 {
		cfg.MeanSession = 20 * time.Minute
	}
	if cfg.Spread <= 0 {
		cfg.Spread = 1.3
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 15 * time.Second
	}
	if cfg.History == 0 {
		cfg.History = 3
	}
	if cfg.Speed <= 0 {
		cfg.Speed = 1
	}
	if cfg.Grace <= 0 {
		cfg.Grace = time.Minute
	}
	return cfg
}

// Quota is a token bucket. Calls beyond it are answered with 429.
type Quota struct {
	Rate       float64       `json:"rate"`       // calls a second
	Burst      int           `json:"burst"`      // size of the bucket, at least 1
	RetryAfter time.Duration `json:"retryAfter"` // the answer's Retry-After, rounded up to seconds; 0 for no such header
}
