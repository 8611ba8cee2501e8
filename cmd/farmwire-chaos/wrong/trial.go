package wrong

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Trial is what became of a wrong publisher, and of the right one in the same campaign.
type Trial struct {
	name   string
	caught bool
	seed   uint64        // of the last campaign
	found  string        // anomalies, by kind
	took   time.Duration // the last campaign
	right  string        // clean, or what was found of the right publisher; "": it was not tried
}

// clean is the result of the right publisher if the checker found nothing.
const clean = "clean"

// Good reports whether the wrong publisher was caught, and nothing was found of the right one.
func (t Trial) Good() bool { return t.caught && (t.right == "" || t.right == clean) }

// String is a line of a report.
func (t Trial) String() string {
	verdict := "caught"
	if !t.caught {
		verdict = "NOT CAUGHT"
	}
	text := fmt.Sprintf("%-10s %-28s seed %d: %s (%s)", verdict, t.name, t.seed, t.found, t.took.Round(time.Second))
	if t.right != "" {
		text += "; the right one: " + t.right
	}
	return text
}

const notTried = "not tried"

// row is the trial as a row of a table in Markdown.
func (t Trial) row() string {
	caught, right := "no", t.right
	if t.caught {
		caught = "yes"
	}
	if right == "" {
		right = notTried
	}
	return fmt.Sprintf("| `%s` | %s | %d | %s | %s | %s |", t.name, caught, t.seed, t.found, t.took.Round(time.Second), right)
}

func parseRow(line string) (Trial, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 6 {
		return Trial{}, fmt.Errorf("%d columns, not 6", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	t := Trial{name: strings.Trim(cells[0], "`"), caught: cells[1] == "yes", found: cells[3], right: cells[5]}
	if t.right == notTried {
		t.right = ""
	}
	var err error
	if t.seed, err = strconv.ParseUint(cells[2], 10, 64); err != nil {
		return t, err
	}
	t.took, err = time.ParseDuration(cells[4])
	return t, err
}
