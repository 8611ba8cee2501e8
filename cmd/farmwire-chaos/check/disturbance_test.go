package check

import (
	"strings"
	"testing"
	"time"
)

// listed adds a complete listing that showed a session.
func (w *world) listed(s *told, by string, begun, at float64) {
	s.Listings = append(s.Listings, map[string]any{"by": by, "begun": w.at(begun), "at": w.at(at)})
}

// A start that is missing is judged by the listings that showed it, whatever the grace says.
func TestStartsByListings(t *testing.T) {
	for _, test := range []struct {
		name string
		lost bool
		make func(w *world, s *told)
	}{
		{"in no listing", false, func(*world, *told) {}},
		{"the instance lived on", true, func(w *world, s *told) { w.listed(s, "a", 20, 21) }},
		{"whatever became of another", true, func(w *world, s *told) {
			w.listed(s, "a", 20, 21)
			w.disturb("kill", "b", 21.5, 0)
		}},
		{"it died at last", true, func(w *world, s *told) { w.listed(s, "a", 20, 21); w.disturb("kill", "a", 24.1, 0) }},
		{"it died soon", false, func(w *world, s *told) { w.listed(s, "a", 20, 21); w.disturb("kill", "a", 23.9, 0) }},
		{"all were disturbed", false, func(w *world, s *told) { w.listed(s, "a", 20, 21); w.disturb("broker", "", 22, 40) }},
		{"all had been disturbed", true, func(w *world, s *told) { w.listed(s, "a", 20, 21); w.disturb("broker", "", 1, 20.8) }},
		{"all were being disturbed", false, func(w *world, s *told) { w.listed(s, "a", 20, 21); w.disturb("broker", "", 1, 21) }},
		{"two listings, and two deaths", true, func(w *world, s *told) {
			w.listed(s, "a", 20, 21)
			w.listed(s, "b", 23, 24)
			w.disturb("kill", "a", 22, 0)
			w.disturb("kill", "b", 25, 0)
		}},
		{"two listings, of which one was cut off", false, func(w *world, s *told) {
			w.listed(s, "a", 20, 21)
			w.listed(s, "b", 23, 24)
			w.disturb("kill", "a", 21.05, 0)
			w.disturb("kill", "b", 25, 0)
		}},
		{"too late to be published", false, func(w *world, s *told) { w.listed(s, "a", 290, 301) }},
		{"deleted within the grace, and shown", true, func(w *world, s *told) { s.Deleted = w.maybe(25); w.listed(s, "a", 20, 21) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.drop("still", 1)
			w.disturbances = []Disturbance{}
			test.make(w, w.session1("still"))
			report := w.check()
			if lost := report.Found[LostStart] == 1; lost != test.lost || report.Total() != report.Found[LostStart] {
				t.Error(printed(report))
			}
			if report.Counts.HardlyShown == 1 == test.lost {
				t.Errorf("hardly shown: %d", report.Counts.HardlyShown)
			}
			if said := strings.Contains(printed(report), "only just shown, and not published: 1"); said == test.lost {
				t.Error(printed(report))
			}
		})
	}
}

func (w *world) disturb(kind, key string, from, to float64) {
	d := Disturbance{Kind: kind, Key: key, From: w.at(from)}
	if to != 0 {
		d.To = w.at(to)
	}
	w.disturbances = append(w.disturbances, d)
}

// What was deleted too soon and hardly shown is not even counted as such.
func TestStartsByListingsOfTheUnseen(t *testing.T) {
	w := newWorld(t)
	w.drop("still", 1)
	w.session1("still").Deleted = w.maybe(25)
	w.disturbances = []Disturbance{}
	if c := w.check().Counts; c.HardlyShown != 0 || c.Unseen != 1 {
		t.Errorf("%+v", c)
	}
}

func TestBrokenDisturbances(t *testing.T) {
	if _, err := readDisturbances(strings.NewReader("{\"kind\":\"kill\"}\n{\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Error(err)
	}
	all, err := readDisturbances(strings.NewReader(`{"kind":"kill","key":"a","from":"2026-03-01T12:00:00Z","to":"0001-01-01T00:00:00Z"}`))
	if err != nil || len(all) != 1 || all[0].to != 0 || all[0].from != instantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("%v %v", all, err)
	}
}
