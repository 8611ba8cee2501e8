package farmtest

import (
	"sync"
	"time"
)

// Clock is a clock that a test owns. It stands still until the test moves it, and is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that is set to start.
func NewClock(start time.Time) *Clock { return &Clock{now: start} }

// Now returns the time that the clock is set to.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Set moves the clock to t. It does nothing if t is not later than the clock's time.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now = t
	}
}
