//go:build unix

package trigger

import (
	"os"
	"testing"
)

// TestMain runs the tests, or plays the part of a command that they run.
func TestMain(m *testing.M) {
	if os.Getenv(partVariable) != "" {
		os.Exit(playPart(os.Args[1:]))
	}
	os.Exit(apache.Main(m))
}
