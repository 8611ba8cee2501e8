package leaks

import (
	"testing"

	"go.uber.org/goleak"
)

// A goroutine that was there before is no leak, and one that ends late is waited for.
func TestNone(t *testing.T) {
	before := goleak.IgnoreCurrent()
	release := make(chan struct{})
	go func() { <-release }()
	if err := goleak.Find(before); err == nil {
		t.Error("a goroutine that waits is not found")
	}
	None(t, goleak.IgnoreCurrent())
	close(release)
	None(t, before)
}
