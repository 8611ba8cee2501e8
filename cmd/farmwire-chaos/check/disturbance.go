package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Disturbance is something that was done to one process or to all of them, between two times of our clock.
type Disturbance struct {
	Kind string    `json:"kind"`
	Key  string    `json:"key"` // access key id of the process; "": all
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // when the process had recovered; zero: never
}

// LivedOn is how long a process must live on after it has received an answer, so that what the answer showed must be in Kafka: the
// starts of a complete listing, and that something was answered.
const LivedOn = 3 * time.Second

// transit is how long an answer may take to arrive.
const transit = 100 * time.Millisecond

type disturbance struct {
	kind     string
	key      string
	from, to instant // to is 0 if it never ended
}

// readDisturbances reads JSON lines of [Disturbance].
func readDisturbances(r io.Reader) ([]disturbance, error) {
	lines := json.NewDecoder(bufio.NewReader(r))
	var all []disturbance
	for n := 1; ; n++ {
		var d Disturbance
		if err := lines.Decode(&d); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("disturbances: line %d: %w", n, err)
		}
		all = append(all, disturbance{kind: d.Kind, key: d.Key, from: instantOf(d.From), to: instantOf(d.To)})
	}
}

// undisturbed reports whether nothing was done to the process, or to all of them, between two times.
func (c *checker) undisturbed(key string, from, to instant) bool {
	for _, d := range c.disturbances {
		if (d.key == "" || d.key == key) && d.from <= to && (d.to == 0 || d.to >= from) {
			return false
		}
	}
	return true
}

// shownWell reports whether the start of a session must be in Kafka: a complete listing showed the session to a process
// that lived on, or two complete listings showed it to any processes.
func (c *checker) shownWell(s *session) bool {
	arrived := 0
	for _, l := range s.truth.listings {
		from := l.end - instant(transit)
		if l.end > instantOf(c.in.Until) || !c.undisturbed(l.key, from, l.end+instant(transit)) {
			continue
		}
		if arrived++; arrived == 2 || c.undisturbed(l.key, from, l.end+instant(LivedOn)) {
			return true
		}
	}
	return false
}

// listingsText tells the complete listings that showed a session.
func (t *trueSession) listingsText() string {
	var parts []string
	for _, l := range t.listings {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", l.key, l.begin, l.end))
	}
	return strings.Join(parts, ", ")
}
