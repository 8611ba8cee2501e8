package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Harm is an act that was done between two times of our clock, to the instance with an access key id or to all instances.
type Harm struct {
	What string    `json:"what"`
	By   string    `json:"by"` // access key id; "": all
	From time.Time `json:"from"`
	To   time.Time `json:"to"` // zero: it never recovered
}

// LivedOn is how long an instance must live on after it has received a whole listing, so that the starts in that listing
// must be in Kafka.
const LivedOn = 3 * time.Second

// onTheWay is how long an answer may take to arrive.
const onTheWay = 100 * time.Millisecond

type harm struct {
	by       string
	from, to instant // to 0: for ever
}

func readHarm(r io.Reader) ([]harm, error) {
	lines := json.NewDecoder(bufio.NewReader(r))
	var all []harm
	for n := 1; ; n++ {
		var h Harm
		if err := lines.Decode(&h); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("harm: line %d: %w", n, err)
		}
		all = append(all, harm{by: h.By, from: of(h.From), to: of(h.To)})
	}
}

// unharmed reports whether no act was done to the instance, or to all instances, between two times.
func (c *checker) unharmed(by string, from, to instant) bool {
	for _, h := range c.harms {
		if (h.by == "" || h.by == by) && h.from <= to && (h.to == 0 || h.to >= from) {
			return false
		}
	}
	return true
}

// shownWell reports whether the start of a session must be in Kafka: a whole listing showed the session to an instance
// that lived on, or two whole listings showed it to any instance.
func (c *checker) shownWell(s *session) bool {
	arrived := 0
	for _, l := range s.truth.listings {
		from := l.at - instant(onTheWay)
		if l.at > of(c.in.Until) || !c.unharmed(l.by, from, l.at+instant(onTheWay)) {
			continue
		}
		if arrived++; arrived == 2 || c.unharmed(l.by, from, l.at+instant(LivedOn)) {
			return true
		}
	}
	return false
}

// listingsText tells the whole listings that showed a session.
func (t *trueSession) listingsText() string {
	var parts []string
	for _, l := range t.listings {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", l.by, l.begun, l.at))
	}
	return strings.Join(parts, ", ")
}
