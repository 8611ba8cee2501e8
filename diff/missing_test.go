package diff

import (
	"testing"
	"time"
)

// missingSession follows one open session of which answers say that its queue does not exist.
type missingSession struct {
	t        *testing.T
	snapshot Snapshot
	log      stateLog
	tick     uint64
}

func newMissingSession(t *testing.T) *missingSession {
	m := &missingSession{t: t, snapshot: NewSnapshot(testWorker, Watch{Since: epoch})}
	m.listing(true, StatusStarted)
	return m
}

func (m *missingSession) exchange() Exchange {
	m.tick += 2
	at := epoch.Add(time.Duration(m.tick) * time.Second)
	return Exchange{Sent: at, Arrived: at, SentTick: m.tick, ArrivedTick: m.tick + 1}
}

// observe takes in an observation and returns the kinds of its events.
func (m *missingSession) observe(o Observation) (kinds []Kind) {
	o.Worker = testWorker
	c := Between(m.snapshot, o)
	m.snapshot = Apply(m.snapshot, c)
	m.log.put(c)
	for _, e := range c.Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func (m *missingSession) listing(shown bool, status string) []Kind {
	x := m.exchange()
	o := Observation{Source: CompleteListing, FirstRequest: x, Pages: 1}
	if shown {
		s := Session{WorkerKey: testWorker, SessionID: testID(1), QueueID: "queue", JobID: "job", LifecycleStatus: status, StartedAt: epoch}
		o.Sightings = []Sighting{{Session: s, Exchange: x}}
	}
	return m.observe(o)
}

// missing takes in an answer that the queue does not exist, by which so much time has passed for the service.
func (m *missingSession) missing(after time.Duration) []Kind {
	return m.observe(Observation{Source: Answers, NotFound: []NotFound{{SessionID: testID(1), Exchange: m.exchange(), MissingAt: epoch.Add(after)}}})
}

// expect checks Record.Missing of the last record, and how many records there are.
func (m *missingSession) expect(records int, missing time.Time) {
	m.t.Helper()
	last := m.log[len(m.log)-1].record
	if len(m.log) != records || !last.Missing.Equal(missing) || last.Sequence == 0 {
		m.t.Errorf("%d records, the last %+v; want %d and missing %v", len(m.log), last, records, missing)
	}
	if got := len(m.snapshot.Missing()) > 0; got == missing.IsZero() {
		m.t.Errorf("the snapshot says missing: %v", got)
	}
}

// Two answers more than a day apart let an absent session vanish; the time of the first is stored once.
func TestMissing(t *testing.T) {
	m := newMissingSession(t)
	m.listing(false, "")
	m.listing(false, "")
	for _, after := range []time.Duration{0, time.Minute, 3 * time.Hour, 24 * time.Hour} {
		if kinds := m.missing(after); len(kinds) > 0 {
			t.Fatalf("events %v after %v", kinds, after)
		}
		m.expect(2, epoch)
	}
	m.snapshot = m.log.restore(Watch{Since: epoch})
	m.expect(2, epoch)
	if kinds := m.missing(24*time.Hour + time.Second); len(kinds) > 0 {
		t.Fatalf("events %v before the session was absent since the restore", kinds)
	}
	m.listing(false, "")
	if kinds := m.listing(false, ""); len(kinds) != 1 || kinds[0] != Vanished {
		t.Errorf("events %v, want vanished", kinds)
	}
}

// A session that is seen again is not missing any more, which is stored, whether it has changed or not.
func TestMissingIsCleared(t *testing.T) {
	for status, records := range map[string]int{StatusStarted: 3, StatusUpdateInProgress: 3} {
		m := newMissingSession(t)
		m.missing(0)
		m.expect(2, epoch)
		m.listing(true, status)
		m.expect(records, time.Time{})
		m.listing(false, "")
		m.listing(false, "")
		if kinds := m.missing(25 * time.Hour); len(kinds) > 0 {
			t.Errorf("events %v: the first answer still counts", kinds)
		}
		m.expect(records+1, epoch.Add(25*time.Hour))
	}
}

// An answer that the queue does not exist and one that the session does not exist do not make two.
func TestMissingAndNotFound(t *testing.T) {
	m := newMissingSession(t)
	m.listing(false, "")
	m.listing(false, "")
	m.missing(0)
	x := m.exchange()
	x.Sent, x.Arrived = x.Sent.Add(time.Hour), x.Arrived.Add(time.Hour)
	if kinds := m.observe(Observation{Source: Answers, NotFound: []NotFound{{SessionID: testID(1), Exchange: x}}}); len(kinds) > 0 {
		t.Errorf("events %v", kinds)
	}
}

// A Date before the watch began is wrong, and does not begin the day.
func TestMissingBeforeTheWatch(t *testing.T) {
	m := newMissingSession(t)
	m.listing(false, "")
	m.listing(false, "")
	m.missing(-time.Hour)
	for _, after := range []time.Duration{0, 24 * time.Hour} {
		if kinds := m.missing(after); len(kinds) > 0 {
			t.Errorf("events %v after %v", kinds, after)
		}
		m.expect(2, epoch)
	}
}
