package diff

import (
	"maps"
	"math/rand/v2"
	"testing"
	"time"
)

// TestForgettingWithCrashes: whatever part of the changes is stored when a process ends, and however often that happens, no
// session is forgotten that a stored observation has shown within the last day.
func TestForgettingWithCrashes(t *testing.T) {
	forgotten := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		watch, now := Watch{Since: epoch}, epoch
		s, log := NewSnapshot(testWorker, watch), stateLog(nil)
		absent := map[string]time.Time{} // since when no stored observation has shown a session
		listed := &randomListing{random: random, ended: map[string]bool{}}
		for range 40 {
			now = now.Add(time.Duration(random.IntN(9*3600)) * time.Second)
			o, shown := listed.next(now)
			c := Between(s, o)
			for _, id := range c.Forgotten {
				if forgotten++; shown[id] || absent[id].IsZero() || o.Date.Sub(absent[id]) < ForgetAfter {
					t.Fatalf("seed %d: %s is forgotten at %v, absent since %v", seed, id, o.Date, absent[id])
				}
			}
			before := maps.Clone(absent)
			for _, id := range randomIDs() {
				if shown[id] {
					delete(absent, id)
				} else if o.Source != Answers && !o.Date.IsZero() && absent[id].IsZero() {
					absent[id] = o.Date
				}
			}
			var records stateLog
			records.put(c)
			if random.IntN(4) > 0 {
				s, log = Apply(s, c), append(log, records...)
				continue
			}
			n := random.IntN(len(records) + 1)
			if n == 0 {
				absent = before
			}
			log = append(log, records[:n]...)
			s = log.restore(watch)
		}
	}
	if forgotten < 100 {
		t.Errorf("only %d sessions were forgotten", forgotten)
	}
}

func randomIDs() []string { return []string{testID(1), testID(2), testID(3), "session-odd", "another"} }

// randomListing makes observations that show each session at random, more often in some phases than in others.
type randomListing struct {
	random *rand.Rand
	tick   uint64
	often  int // of four
	ended  map[string]bool
}

func (l *randomListing) next(at time.Time) (o Observation, shown map[string]bool) {
	l.tick += 2
	x := Exchange{Sent: at, Arrived: at, SentTick: l.tick - 1, ArrivedTick: l.tick}
	if l.random.IntN(12) == 0 {
		l.often = l.random.IntN(4)
	}
	o = Observation{Worker: testWorker, Source: CompleteListing, FirstRequest: x, Pages: 1, Date: at}
	shown = map[string]bool{}
	switch l.random.IntN(8) {
	case 0:
		o.Source, o.Date = Answers, time.Time{}
	case 1:
		o.Date = time.Time{}
	case 2:
		o.Source = NoSuchWorker
		return o, shown
	}
	for _, id := range randomIDs() {
		if l.random.IntN(4) >= l.often {
			continue
		}
		l.ended[id] = l.ended[id] || l.random.IntN(2) == 0
		s := Session{WorkerKey: testWorker, SessionID: id, QueueID: "queue", JobID: "job", LifecycleStatus: StatusStarted, StartedAt: epoch}
		if l.ended[id] {
			s.LifecycleStatus, s.EndedAt = StatusEnded, epoch.Add(time.Second)
		}
		shown[id] = true
		o.Sightings = append(o.Sightings, Sighting{s, x})
	}
	return o, shown
}
