package status

import (
	"strings"
	"time"
)

// note tells up to when everything was looked at and published. It tells nothing as long as nothing is known.
func (w Watermarks) note() []Cause {
	var known []string
	for _, of := range [...]struct {
		age  *time.Duration
		what string
	}{{w.Changes, "changes of open sessions"}, {w.Announced, "announced starts"}, {w.Starts, "all starts"}} {
		if of.age != nil {
			known = append(known, of.what+" until "+age(*of.age)+" ago")
		}
	}
	if len(known) == 0 {
		return nil
	}
	return []Cause{{Key: Key{Kind: KindWatermarks}, Severity: Note, Text: "published: " + strings.Join(known, ", ")}}
}
