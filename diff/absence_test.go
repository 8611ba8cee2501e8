package diff

import (
	"strings"
	"testing"
	"time"
)

// gone returns the answer that the worker does not exist.
func gone(tick uint64, date time.Time) Observation {
	return Observation{
		Worker: testWorker, Source: NoSuchWorker, Pages: 1, Date: date,
		FirstRequest: Exchange{Sent: date, Arrived: date, SentTick: tick, ArrivedTick: tick + 1},
	}
}

// TestManyAbsent: what a worker's record of absences may hold has a bound. Sessions for which there is no room wait for the
// next mark, also in memory, so that a restart changes nothing.
func TestManyAbsent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		suffix string // makes the ids longer
		want   int    // marked
	}{{"ids", "", maxAbsent}, {"bytes", strings.Repeat("x", 1000), maxAbsentBytes / (packedLength + 1000 + 3)}} {
		t.Run(tt.name, func(t *testing.T) {
			s, o := listed(0, maxAbsent+500)
			for i := range o.Sightings {
				o.Sightings[i].Session.SessionID += tt.suffix
			}
			s = Apply(NewSnapshot(testWorker, s.watch), Between(NewSnapshot(testWorker, s.watch), o))
			var log stateLog
			log.put(Between(NewSnapshot(testWorker, s.watch), o))
			step := func(o Observation) Changes {
				c := Between(s, o)
				s = Apply(s, c)
				log.put(c)
				if c.Absences != nil {
					for _, m := range c.Absences.Marks {
						if len(m.Sessions) > maxAbsent || len(strings.Join(m.Sessions, `,""`)) > maxAbsentBytes {
							t.Fatalf("%d ids in one record", len(m.Sessions))
						}
					}
				}
				return c
			}
			// All are absent, which needs no ids.
			if c := step(gone(3, epoch)); len(c.Absences.Marks) != 1 || c.Absences.Marks[0].Sessions != nil {
				t.Fatalf("absences %+v, want all", c.Absences)
			}
			// One is shown again, so that the others need their ids.
			shown := Observation{Worker: testWorker, Sightings: o.Sightings[:1]}
			shown.Sightings[0].Exchange = Exchange{Sent: epoch, Arrived: epoch, SentTick: 5, ArrivedTick: 6}
			c := step(shown)
			if got := len(c.Absences.Marks[0].Sessions); got != tt.want {
				t.Fatalf("%d ids are marked, want %d", got, tt.want)
			}
			restored := log.restore(s.watch)
			for place := range s.memory.len() {
				if a, b := absentSince(s, place), absentSince(restored, place); !a.Equal(b) {
					t.Fatalf("absent since %v, restored %v", a, b)
				}
			}
			// A day later they are forgotten, and the rest is marked.
			if c := step(gone(7, epoch.Add(24*time.Hour))); len(c.Forgotten) != tt.want || len(c.Absences.Marks) != 1 {
				t.Fatalf("%d are forgotten, and then %d marks", len(c.Forgotten), len(c.Absences.Marks))
			}
		})
	}
}

// TestNoDate: a listing whose Date is not known marks and forgets nothing.
func TestNoDate(t *testing.T) {
	s, _ := listed(0, 1)
	for n, date := range []time.Time{{}, epoch, {}, epoch.Add(23 * time.Hour)} {
		o := gone(uint64(3+2*n), date)
		o.FirstRequest.Sent = epoch.Add(time.Duration(n) * 48 * time.Hour)
		c := Between(s, o)
		if s = Apply(s, c); s.Remembered() != 1 || (c.Absences != nil) != (n == 1) {
			t.Fatalf("observation %d: %d remembered, absences %v", n, s.Remembered(), c.Absences)
		}
	}
}

// TestWrongDates: a Date before the watch began, or one that is decades away from others, does not let sessions be forgotten
// too early that are absent later.
func TestWrongDates(t *testing.T) {
	at := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	for _, since := range []time.Time{at(2030), {}} {
		for _, wrong := range []time.Time{at(1970), at(2000), at(2099)} {
			for _, isRestarted := range []bool{false, true} {
				s, o := listed(0, 2)
				s.watch.Since = since
				var log stateLog
				log.put(Between(NewSnapshot(testWorker, s.watch), o))
				step := func(o Observation) (forgotten []string) {
					c := Between(s, o)
					s = Apply(s, c)
					log.put(c)
					return c.Forgotten
				}
				right := at(2031)
				first, second := o, o
				first.Date, first.Sightings = wrong, o.Sightings[1:]
				second.Date = right
				step(first)
				if since.After(wrong) && s.ForgetDue() != (time.Time{}) {
					t.Errorf("a listing of %v marked sessions of a watch that began in %v", wrong, since)
				}
				step(second)
				step(gone(3, right.Add(time.Hour)))
				if isRestarted {
					s = log.restore(s.watch)
				}
				if ids := step(gone(5, right.Add(20*time.Hour))); len(ids) > 0 {
					t.Errorf("after a Date of %v, restarted %v, %v are forgotten after less than a day", wrong, isRestarted, ids)
				}
			}
		}
	}
}
