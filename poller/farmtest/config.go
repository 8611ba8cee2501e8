package farmtest

import "time"

// Config says what is simulated and how. The zero value is an empty region under manual control.
// Durations that are said to be scaled are divided by Speed.
type Config struct {
	Seed  uint64
	Clock *Clock        // nil: the real clock. With an owned clock the timeline moves by Server.Advance only
	Skew  time.Duration // how far the service's clock is ahead of ours

	PageSize int   // most entries of a page, 1 to 100; 0: 100
	Order    Order // of every listing
	Faults   []Fault
	Quotas   map[Operation]Quota // hidden quotas; AnyOperation is one bucket for all operations

	Workers     int           // how many workers the timeline keeps, about; 0: there is no timeline
	Farms       int           // default 1
	Fleets      int           // fleets in each farm, default 2; the first has a fixed size, the others scale
	Sessions    int           // how many sessions are open at a time, about; default 3/4 of Workers
	MeanSession time.Duration // mean length of a session, scaled; default 20 min
	History     float64       // mean number of ended sessions that a worker has at the start; default 3, below 0 none
	Speed       float64       // default 1
	Churn       float64       // share of the workers that is reclaimed in a minute, sessions or not; not scaled
	Grace       time.Duration // no worker is deleted sooner after the last session began there; default 60 s, not scaled
	Forget      time.Duration // when the sessions of a deleted worker are forgotten, after it was deleted or they ended; 0: never; not scaled
	Retention   time.Duration // when a session is forgotten after it ended, in any case; 0: never; not scaled

	TruthFile string     // where the truth is written; sessions that are forgotten at once, the rest at Close
	Observer  func(Call) // is told of every call just before its answer is written, by the goroutine that answers; may be nil
}

func (cfg Config) withDefaults() Config {
	if cfg.PageSize <= 0 || cfg.PageSize > 100 {
		cfg.PageSize = 100
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

// Quota is a token bucket. What is above it is answered with 429.
type Quota struct {
	Rate       float64       `json:"rate"`       // calls a second
	Burst      int           `json:"burst"`      // size of the bucket, at least 1
	RetryAfter time.Duration `json:"retryAfter"` // rounded up to seconds; 0: the answer does not say
}
