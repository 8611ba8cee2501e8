package simulation

import (
	"math/rand/v2"
	"time"

	"farmwire/poller/schedule"
)

// NewSchedule returns the production schedule, of an instance that owns the only shard and begins without a snapshot.
func NewSchedule(c Config, now time.Time) Scheduler {
	s := schedule.New(schedule.Config{
		Rate: c.Rate, Staleness: c.Staleness, Discovery: c.Discovery,
		Shards: 1, Shard: func(string) int { return 0 }, Random: rand.New(rand.NewPCG(c.Seed, 3)),
	}, now)
	s.Own(0, nil, now)
	return s
}
