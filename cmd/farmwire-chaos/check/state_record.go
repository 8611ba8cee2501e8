package check

import (
	"fmt"
	"strings"
)

// storedRecord is a record of .state about a session.
type storedRecord struct {
	tombstone bool
	sequence  uint64
	state     state
	vanished  bool
	missing   bool // the service said that its queue, fleet or farm does not exist
}

func (r storedRecord) String() string {
	if r.tombstone {
		return "tombstone"
	}
	text := fmt.Sprintf("%d %s", r.sequence, r.state)
	if r.vanished {
		text += " vanished"
	}
	if r.missing {
		text += " missing"
	}
	return text
}

// readState takes a record of .state.
func (c *checker) readState(r record) {
	c.report.Counts.StateRecords++
	switch {
	case r.key == "watch":
		c.readWatch(r)
		return
	case r.key == "log":
		c.readStoredLog(r)
		return
	case r.key == "coverage":
		c.readStoredCoverage(r)
		return
	case r.key == "workers":
		return
	case strings.HasPrefix(r.key, absentPrefix):
		c.readAbsences(r)
		return
	case r.null:
		c.report.Counts.Tombstones++
		if s := c.sessions[r.key]; s != nil {
			c.checkPartition(r, s.truth.worker)
			s.stored = append(s.stored, storedRecord{tombstone: true})
		}
		return
	}
	var w wireStateRecord
	in := reading{texts: c.texts}
	if err := strict(r.value, &w); err != nil {
		c.anomaly(BadEnvelope, r.key, r.value, err.Error())
		return
	}
	id, who, st := in.session(take(&in, "session", w.Session))
	seen := in.time("seen", take(&in, "seen", w.Seen))
	stored := storedRecord{sequence: take(&in, "sequence", w.Sequence), state: st, vanished: w.Vanished.value, missing: w.Missing.present}
	if stored.missing {
		in.time("missing", take(&in, "missing", w.Missing))
	}
	switch {
	case take(&in, "schema", w.Schema) != 1:
		in.fail("schema %d", w.Schema.value)
	case id != r.key:
		in.fail("the key is %s", r.key)
	case stored.missing && (stored.vanished || st.ended()):
		in.fail("missing, although the session is not open")
	case seen > instant(r.timestamp+1)*1e6:
		in.fail("seen at %s, after it was recorded", seen)
	}
	if in.wrong != nil {
		c.anomaly(BadEnvelope, r.key, "state "+r.value, in.wrong.Error())
		return
	}
	c.checkPartition(r, who.worker)
	s := c.sessions[id]
	if s == nil {
		c.anomaly(InventedState, id, "state "+stored.String(), "there was no such session")
		return
	}
	if who != s.truth.identity {
		c.anomaly(FoldMismatch, id, fmt.Sprint(who), fmt.Sprint(s.truth.identity))
	}
	s.stored = append(s.stored, stored)
}
