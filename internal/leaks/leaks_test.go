package leaks

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// A goroutine that is left is found, one that was there before is not, and one that ends later than goleak waits is no leak.
func TestFind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	release := make(chan struct{})
	go func() { <-release }()
	if err := findWithin(0, before); err == nil {
		t.Error("a goroutine that waits is not found")
	}
	if err := findWithin(0, goleak.IgnoreCurrent()); err != nil {
		t.Error(err)
	}
	time.AfterFunc(2*time.Second, func() { close(release) })
	None(t, before)
}
