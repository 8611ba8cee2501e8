package trigger

import (
	"time"

	"farmwire/cluster"
	"farmwire/consumer"
)

// Config says which events are delivered, where, and what becomes of those that nobody takes.
type Config struct {
	Consumer        consumer.Config
	Group           string             // instances with the same group share the work; "": farmwire.trigger.<ended topic>
	From            *consumer.Position // where to begin where the group has no offset, or one that is gone; nil: nowhere
	IncludeVanished bool               // also deliver the vanished events, from the events topic
	Filter          consumer.Filter
	Target          Target
	Concurrency     int           // tries at the same time, at least 1
	Attempts        int           // after so many refusals an event goes to the dead-letter topic, at least 1
	DeadLetterLimit int           // so many events in a row may be refused for good; one more stops the trigger
	MaxAge          time.Duration // older events go to the dead-letter topic; 0: none is too old
	Drain           time.Duration // how long a stop waits for the tries that are under way
}

// GroupID is the id of the consumer group.
func (c Config) GroupID() string {
	if c.Group != "" {
		return c.Group
	}
	return "farmwire.trigger." + c.Consumer.EndedTopic()
}

// DeadLetterTopic is the topic with the events that were given up.
func (c Config) DeadLetterTopic() string { return c.GroupID() + ".dead-letters" }

// topics are the topics to read.
func (c Config) topics() []string {
	if c.IncludeVanished {
		return []string{c.Consumer.EndedTopic(), c.Consumer.EventsTopic()}
	}
	return []string{c.Consumer.EndedTopic()}
}

// The kinds of problems of a trigger. They go with a [cluster.Error].
const (
	FromMissing       cluster.Kind = "position missing"        // the group has no offset
	FromGone          cluster.Kind = "position gone"           // the records at the group's offset were deleted
	TargetImpossible  cluster.Kind = "target impossible"       // 410, or the program is missing
	TooManyRefused    cluster.Kind = "too many events refused" // in a row
	DeadLetterMissing cluster.Kind = "dead-letter topic missing"
)
