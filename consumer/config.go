package consumer

import (
	"farmwire/cluster"
	"farmwire/event"
)

// Config says which topics of which cluster to read.
type Config struct {
	Cluster     cluster.Config
	TopicPrefix string // the topics are <prefix>.events, .ended, .state and .coverage
}

// EventsTopic is the topic of every change.
func (c Config) EventsTopic() string { return c.TopicPrefix + event.EventsSuffix }

// EndedTopic is the topic with copies of the ended events, for automation.
func (c Config) EndedTopic() string { return c.TopicPrefix + event.EndedSuffix }

// StateTopic is the compacted topic with the last state of each session.
func (c Config) StateTopic() string { return c.TopicPrefix + event.StateSuffix }

// CoverageTopic is the topic that says up to when everything was looked at, and what could not be looked at.
func (c Config) CoverageTopic() string { return c.TopicPrefix + event.CoverageSuffix }

// The kinds of problems with what is read. They go with a [cluster.Error].
const (
	TopicMissing cluster.Kind = "topic to read missing"
	RecordsGone  cluster.Kind = "records gone" // they were deleted before they were read
)
