package status

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// WriteSummary writes what was seen, how the requests went, and what is wrong with the polling, for the end of a dry run.
func (r Report) WriteSummary(w io.Writer) error {
	p := r.Polling
	_, err := fmt.Fprintf(w, "Seen: %s, %s, %s, %s.\n", number(p.Farms, "farm"), number(p.Fleets, "fleet"), number(p.Workers, "worker"), number(p.OpenSessions, "open session"))
	for _, name := range slices.Sorted(maps.Keys(p.Operations)) {
		if err != nil {
			return err
		}
		text := p.Operations[name].String()
		if text == notTried && isLookup(name) && !p.SessionSeen {
			text += ": no session was seen"
		}
		_, err = fmt.Fprintf(w, "  %-22s %s\n", name, text)
	}
	for _, c := range r.polling() {
		if c.Unnamed {
			continue
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s\n", c.Line())
	}
	return err
}

const notTried = "not tried"

// String says how often the operation was answered, and how often it failed for each reason.
func (o Operation) String() string {
	if o.Answered == 0 && len(o.Failed) == 0 {
		return notTried
	}
	text := fmt.Sprintf("answered %d", o.Answered)
	for _, reason := range slices.Sorted(maps.Keys(o.Failed)) {
		text += fmt.Sprintf(", %s %d", words(reason), o.Failed[reason])
	}
	return text
}
