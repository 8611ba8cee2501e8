package diff

import "testing"

// TestWorkerKey: the sessions of an observation need not have its worker key.
func TestWorkerKey(t *testing.T) {
	s := NewSnapshot(testWorker, Watch{})
	for tick, status := range []string{StatusStarted, StatusUpdateInProgress, StatusEnded} {
		x := Exchange{Sent: epoch, Arrived: epoch, SentTick: uint64(2*tick + 1), ArrivedTick: uint64(2*tick + 2)}
		seen := Session{SessionID: testID(1), LifecycleStatus: status, StartedAt: epoch}
		c := Between(s, Observation{Worker: testWorker, Sightings: []Sighting{{seen, x}}})
		if len(c.Events) != 1 || c.Events[0].Session.WorkerKey != testWorker {
			t.Errorf("%s: events %+v", status, c.Events)
		}
		s = Apply(s, c)
	}
}

// TestManyRemembered: Between notices which of many remembered sessions is absent.
func TestManyRemembered(t *testing.T) {
	s, o := listed(1, 2000)
	last := o.Sightings[len(o.Sightings)-1].Session.SessionID
	o.FirstRequest.SentTick, o.FirstRequest.ArrivedTick, o.Date = 3, 4, epoch
	o.Sightings = o.Sightings[:len(o.Sightings)-1]
	c := Between(s, o)
	if len(c.absent) != 1 || c.absent[0] != last || len(c.Events) > 0 {
		t.Errorf("absent %v, events %v; want %s and none", c.absent, c.Events, last)
	}
}
