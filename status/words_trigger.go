package status

import (
	"fmt"
	"time"
)

// awayLimit is how long a target may take nothing before the trigger is not ready.
const awayLimit = time.Minute

// causes returns all causes, in the order of their kinds.
func (t Trigger) causes() (all []Cause) {
	if t.Opening {
		c := Cause{Key: Key{Kind: KindStage}, Progress: t.Waiting == nil, Text: "the topics and the group are being looked at"}
		if t.Waiting != nil {
			c.Text += ": " + errorText(t.Waiting)
		}
		return []Cause{c}
	}
	add := func(kind Kind, severity Severity, format string, args ...any) {
		all = append(all, Cause{Key: Key{Kind: kind}, Severity: severity, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case t.Stopping:
		add(KindStage, Unready, "the trigger stops")
	case t.Group.Err != nil:
		add(KindGroup, Unready, "the consumer group cannot be reached: %s", errorText(t.Group.Err))
	case !t.Group.Joined:
		all = append(all, Cause{Key: Key{Kind: KindGroup}, Progress: true, Text: "the consumer group is being joined"})
	case t.Partitions == 0:
		add(KindGroup, Note, "the consumer group has assigned no partition to this instance, which stands by")
	}
	if t.CommitErr != nil {
		add(KindCommit, Warning, "what is done cannot be committed, so it would come again after a restart: %s", errorText(t.CommitErr))
	}
	if away := t.At.Sub(t.Unavailable); !t.Unavailable.IsZero() {
		severity := Warning
		if away >= awayLimit {
			severity = Unready
		}
		add(KindTarget, severity, "%s has taken nothing for %s, and %d events wait: %s", t.Target, age(away), t.HeldBack, t.Reason)
	}
	if t.Full {
		add(KindFull, Warning, "so many events are held back that nothing more is read; the oldest was published %s ago", age(t.At.Sub(t.Oldest)))
	}
	if t.DeadInRow > 0 {
		add(KindGivenUp, Warning, "%d events in a row were given up, and more than %d would stop the trigger; see the dead-letter topic", t.DeadInRow, t.DeadLetterLimit)
	}
	if t.DeadLetterErr != nil {
		add(KindDeadLetter, Warning, "an event cannot be written to the dead-letter topic: %s", errorText(t.DeadLetterErr))
	}
	return all
}
