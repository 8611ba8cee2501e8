package event

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"farmwire/diff"
)

func TestEncodeAbsences(t *testing.T) {
	worker := goldenSession().WorkerKey
	some := diff.Absences{Worker: worker, Marks: []diff.AbsenceMark{
		{Since: epoch, Sessions: []string{"session-1", "session-\"2\""}},
		{Since: epoch.Add(time.Hour), Sessions: []string{"session-3"}},
	}}
	all := diff.Absences{Worker: worker, Marks: []diff.AbsenceMark{{Since: epoch}}}
	text := string(AppendAbsencesKey(nil, worker)) + "\n"
	for _, a := range []diff.Absences{some, all} {
		text += string(AppendAbsences(nil, a, 1000)) + "\n"
	}
	golden(t, "absences.txt", text)
}

// What is written is read back, and is never longer than the limit. What is left out are only ids and marks. The key of a
// worker is that of no other worker, and is one of Farmwire's own.
func TestAbsencesAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, other := anySession(t), anySession(t)
		want := diff.Absences{Worker: s.WorkerKey}
		for range rapid.IntRange(0, 4).Draw(t, "marks") {
			m := diff.AbsenceMark{Since: anyTime().Draw(t, "since")}
			if m.Since.IsZero() {
				m.Since = epoch
			}
			if rapid.Bool().Draw(t, "some") {
				m.Sessions = rapid.SliceOfN(anyText(), 1, 5).Draw(t, "sessions")
			}
			want.Marks = append(want.Marks, m)
		}
		key := AppendAbsencesKey(nil, want.Worker)
		if same := string(key) == string(AppendAbsencesKey(nil, other.WorkerKey)); same != (s.WorkerKey == other.WorkerKey) || !IsOwnKey(string(key)) {
			t.Fatalf("key %q", key)
		}
		read := func(value []byte) diff.Absences {
			if len(value) == 0 {
				value = nil
			}
			got, err := DecodeState(key, value)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			if got.Session != nil || got.Watch != nil || got.Forgotten() != (value == nil) {
				t.Fatalf("%q is %+v", value, got)
			}
			return *got.Absences
		}
		if d := cmp.Diff(want, read(AppendAbsences(nil, want, 1<<20)), cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("(-written +read):\n%s", d)
		}
		limit := rapid.IntRange(0, 400).Draw(t, "limit")
		value := AppendAbsences(nil, want, limit)
		if len(value) > limit {
			t.Fatalf("%d bytes, above %d: %s", len(value), limit, value)
		}
		for _, m := range read(value).Marks {
			found := false
			for _, w := range want.Marks {
				found = found || w.Since.Equal(m.Since) && (w.Sessions == nil) == (m.Sessions == nil) && len(m.Sessions) <= len(w.Sessions) &&
					cmp.Equal(m.Sessions, w.Sessions[:len(m.Sessions)], cmpopts.EquateEmpty())
			}
			if !found {
				t.Fatalf("%+v was not written", m)
			}
		}
	})
}

// A mark that does not say which sessions it means is refused, and not taken for one of all sessions.
func TestDecodeAbsencesRefuses(t *testing.T) {
	const key = "absent.farm/fleet/worker"
	for name, test := range map[string]struct {
		key, value string
		want       error
	}{
		"all":                {key, `{"schema":1,"marks":[{"since":"2030-01-01T00:00:00Z","sessions":null}]}`, nil},
		"more members":       {key, `{"schema":1,"new":1,"marks":[{"new":1,"since":"2030-01-01T00:00:00Z","sessions":["a"]}]}`, nil},
		"no marks":           {key, `{"schema":1,"marks":[]}`, nil},
		"no sessions":        {key, `{"schema":1,"marks":[{"since":"2030-01-01T00:00:00Z"}]}`, ErrMalformed},
		"no since":           {key, `{"schema":1,"marks":[{"sessions":[]}]}`, ErrMalformed},
		"not ids":            {key, `{"schema":1,"marks":[{"since":"2030-01-01T00:00:00Z","sessions":17}]}`, ErrMalformed},
		"a newer schema":     {key, `{"schema":2,"marks":17}`, ErrUnknown},
		"another key":        {"absent.farm/fleet", `{"schema":1,"marks":[]}`, ErrUnknown},
		"a key with escapes": {"absent.farm/fleet/%zz", `{"schema":1,"marks":[]}`, ErrMalformed},
	} {
		if _, err := DecodeState([]byte(test.key), []byte(test.value)); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}
