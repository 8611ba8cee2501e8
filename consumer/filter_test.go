package consumer

import (
	"testing"

	"farmwire/event"
)

func TestFilter(t *testing.T) {
	e := event.Event{Change: example(1)}
	s := e.Session
	for _, c := range []struct {
		filter Filter
		want   bool
	}{
		{Filter{}, true},
		{Filter{Farms: []string{s.FarmID}}, true},
		{Filter{Fleets: []string{s.FleetID}}, true},
		{Filter{Workers: []string{s.WorkerID}}, true},
		{Filter{Queues: []string{s.QueueID}}, true},
		{Filter{Jobs: []string{s.JobID}}, true},
		{Filter{Sessions: []string{s.SessionID}}, true},
		{Filter{Changes: []string{"ended"}}, true},
		{Filter{Farms: []string{"other"}}, false},
		{Filter{Fleets: []string{"other"}}, false},
		{Filter{Workers: []string{"other"}}, false},
		{Filter{Queues: []string{"other"}}, false},
		{Filter{Jobs: []string{"other"}}, false},
		{Filter{Sessions: []string{"other"}}, false},
		{Filter{Changes: []string{"started"}}, false},
		{Filter{Changes: []string{"started", "ended"}, Farms: []string{"other", s.FarmID}}, true},
		{Filter{Changes: []string{"ended"}, Farms: []string{"other"}}, false},
		{Filter{Farms: []string{s.FleetID}}, false},
		{Filter{Farms: []string{"farm"}}, false},
	} {
		if got := c.filter.Match(e); got != c.want {
			t.Errorf("%+v: %t", c.filter, got)
		}
	}
}

func TestTopics(t *testing.T) {
	c := Config{TopicPrefix: "a.b"}
	if got := [3]string{c.EventsTopic(), c.EndedTopic(), c.StateTopic()}; got != [3]string{"a.b.events", "a.b.ended", "a.b.state"} {
		t.Errorf("topics %v", got)
	}
}
