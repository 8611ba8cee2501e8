package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A reason is logged at once, and then every five minutes, also if reasons alternate or every text is another one.
func TestLogLimit(t *testing.T) {
	reasons := map[string]func(n int) error{
		"one":         func(n int) error { return &Error{Kind: HostUnknown, Text: fmt.Sprint(n)} },
		"alternating": func(n int) error { return fmt.Errorf("error %d", n%2) },
		"always new":  func(n int) error { return fmt.Errorf("error %d", n) },
	}
	for name, most := range map[string]int{"one": 288, "alternating": 2 * 288, "always new": 10 * 289} {
		synctest.Test(t, func(t *testing.T) {
			var limit LogLimit
			logged := 0
			for n := range 24 * 60 * 60 {
				if limit.Allows(reasons[name](n)) {
					logged++
				} else if n < 2 && name != "one" {
					t.Errorf("%s: error %d is not logged", name, n)
				}
				time.Sleep(time.Second)
			}
			if logged < 288 || logged > most {
				t.Errorf("%s: %d lines in a day", name, logged)
			}
		})
	}
}
