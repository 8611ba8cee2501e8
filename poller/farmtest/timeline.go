package farmtest

import (
	"context"
	"time"
)

type timeline struct{}

func newTimeline(cfg Config, c *Cloud) *timeline           { return &timeline{} }
func (t *timeline) run(ctx context.Context)                {}
func (t *timeline) step(to time.Time, set func(time.Time)) {}
