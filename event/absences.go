package event

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"farmwire/diff"
)

// absentPrefix begins the keys of the records of absences.
const absentPrefix = "absent."

// AppendAbsencesKey appends the key of a worker's record of absences. A character of an id that would make the key ambiguous
// is escaped as in the path of a URL. The ids of the service have none.
func AppendAbsencesKey(b []byte, w diff.WorkerKey) []byte {
	b = append(b, absentPrefix...)
	b = append(b, url.PathEscape(w.FarmID)...)
	b = append(append(b, '/'), url.PathEscape(w.FleetID)...)
	return append(append(b, '/'), url.PathEscape(w.WorkerID)...)
}

// AppendAbsences appends the value of a worker's record of absences. It leaves out what would make the value longer than the
// limit. Absences of which nothing is left are stored as a tombstone, and then nothing is appended.
func AppendAbsences(b []byte, a diff.Absences, limit int) []byte {
	const end = `]}` // of the marks; each mark ends with the same
	begin := len(b)
	var mark, id []byte
	b = append(b, `{"schema":1,"marks":[`...)
	marks := 0
	for _, m := range a.Marks {
		mark = appendInstant(mark[:0], `{"since":`, m.Since)
		if m.Sessions == nil {
			mark = append(mark, `,"sessions":null}`...)
		} else {
			mark = append(mark, `,"sessions":[`...)
			ids := 0
			for _, sessionID := range m.Sessions {
				id = appendString(id[:0], sessionID)
				if len(b)-begin+len(mark)+len(id)+len(",,")+2*len(end) > limit {
					break
				}
				if ids++; ids > 1 {
					mark = append(mark, ',')
				}
				mark = append(mark, id...)
			}
			if ids == 0 {
				continue
			}
			mark = append(mark, end...)
		}
		if len(b)-begin+len(mark)+len(",")+len(end) > limit {
			continue
		}
		if marks++; marks > 1 {
			b = append(b, ',')
		}
		b = append(b, mark...)
	}
	if marks == 0 {
		return b[:begin]
	}
	return append(b, end...)
}

// decodeAbsences reads a record of absences. A tombstone has no marks.
func decodeAbsences(key string, value []byte) (diff.Absences, error) {
	var a diff.Absences
	parts := strings.Split(strings.TrimPrefix(key, absentPrefix), "/")
	if len(parts) != 3 {
		return a, unknown("a state record with the key %q", key)
	}
	for i, to := range []*string{&a.Worker.FarmID, &a.Worker.FleetID, &a.Worker.WorkerID} {
		id, err := url.PathUnescape(parts[i])
		if err != nil {
			return a, malformed("the key %q: %w", key, err)
		}
		*to = id
	}
	if value == nil {
		return a, nil
	}
	var v struct {
		Marks []struct {
			Since    instant         `json:"since"`
			Sessions json.RawMessage `json:"sessions"`
		} `json:"marks"`
	}
	if err := unmarshalState(value, &v); err != nil {
		return a, err
	}
	for _, m := range v.Marks {
		mark := diff.AbsenceMark{Since: time.Time(m.Since)}
		if m.Sessions == nil || mark.Since.IsZero() { // without the member it is not known which sessions are meant
			return a, malformed("a mark of %q lacks since or sessions", key)
		}
		if err := json.Unmarshal(m.Sessions, &mark.Sessions); err != nil {
			return a, malformed("the sessions of %q: %w", key, err)
		}
		a.Marks = append(a.Marks, mark)
	}
	return a, nil
}
