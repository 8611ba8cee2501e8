package check

import "strings"

// absentPrefix begins the keys of the records of absences: absent.<farm>/<fleet>/<worker>.
const absentPrefix = "absent."

type wireAbsences struct {
	Schema field[int] `json:"schema"`
	Marks  field[[]struct {
		Since    field[string]   `json:"since"`
		Sessions field[[]string] `json:"sessions"`
	}] `json:"marks"`
}

// readAbsences takes a record of absences of .state. It must be in the shard of its worker, and name only sessions of that
// worker whose end or whose vanishing is stored.
func (c *checker) readAbsences(r record) {
	parts := strings.Split(strings.TrimPrefix(r.key, absentPrefix), "/")
	if len(parts) != 3 {
		c.anomaly(BadEnvelope, r.key, r.value, "the key does not name a farm, a fleet and a worker")
		return
	}
	c.checkPartition(r, parts[2])
	if r.null {
		return
	}
	var w wireAbsences
	in := reading{texts: c.texts}
	if err := strict(r.value, &w); err != nil {
		c.anomaly(BadEnvelope, r.key, r.value, err.Error())
		return
	}
	if take(&in, "schema", w.Schema) != 1 {
		in.fail("schema %d", w.Schema.value)
	}
	for _, mark := range take(&in, "marks", w.Marks) {
		in.time("since", take(&in, "since", mark.Since))
		ids, _ := nullable(&in, "sessions", mark.Sessions) // null stands for all
		for _, id := range ids {
			s := c.sessions[id]
			if s == nil || s.truth.farm+"/"+s.truth.fleet+"/"+s.truth.worker != r.key[len(absentPrefix):] || !s.closedInState() {
				in.fail("%s is not an ended session of the worker", id)
			}
		}
	}
	if in.wrong != nil {
		c.anomaly(BadEnvelope, r.key, r.value, in.wrong.Error())
	}
}

// closedInState reports whether the last stored record of the session says that it has ended or vanished.
func (s *session) closedInState() bool {
	if len(s.stored) == 0 {
		return false
	}
	last := s.stored[len(s.stored)-1]
	return last.vanished || last.state.ended()
}
