// Package leaks finds goroutines that tests leave behind.
package leaks

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Find returns an error with the stacks of goroutines that are left, but for those of the options. Those that are just ending have
// half a minute: on a busy machine, the half second that goleak waits is too short.
func Find(options ...goleak.Option) error { return findWithin(30*time.Second, options...) }

func findWithin(patience time.Duration, options ...goleak.Option) error {
	for began := time.Now(); ; {
		if err := goleak.Find(options...); err == nil || time.Since(began) >= patience {
			return err
		}
	}
}

// None fails the test if goroutines are left, but for those of the options.
func None(t testing.TB, options ...goleak.Option) {
	t.Helper()
	if err := Find(options...); err != nil {
		t.Error(err)
	}
}

// Main runs the tests of a package for its TestMain and returns the exit code. If goroutines are left, it is 1.
func Main(m *testing.M) int {
	code := m.Run()
	if code != 0 {
		return code // the output of the tests matters more
	}
	if err := Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
