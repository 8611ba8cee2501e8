package publisher

import (
	"time"

	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
)

// Compression is what a record batch is compressed with. None and gzip are the two that every
// Kafka client can read without a plug-in.
type Compression string

// The compressions. The zero value of Compression is none, too.
const (
	CompressionNone Compression = "none"
	CompressionGzip Compression = "gzip"
)

// Config says which cluster and topics to publish to, and how to take part in the consumer group.
type Config struct {
	Cluster     cluster.Config
	Group       Group
	TopicPrefix string        // the topics are <prefix>.events, .ended, .coverage and .state
	Region      string        // AWS region of the sessions; stored in the state topic
	Initial     string        // open, all or none: what the first start publishes; stored in the state topic
	Compression Compression   // "": none
	Instance    string        // the name of this instance in heartbeats
	Signers     []note.Signer // sign the checkpoints of heartbeats; none: there are no checkpoints
}

// Group says how an instance takes part in the consumer group that assigns the shards.
type Group struct {
	ID             string        // "": farmwire.<state topic>
	InstanceID     string        // name of a static member; "": a dynamic member
	SessionTimeout time.Duration // without a heartbeat for so long, the group assigns the shards to others; 0: 10 s
}

// EventsTopic is the topic of every change.
func (c Config) EventsTopic() string { return c.topic(eventsTopic) }

// EndedTopic is the topic with copies of the ended events, for automation.
func (c Config) EndedTopic() string { return c.topic(endedTopic) }

// CoverageTopic is the topic that says up to when everything was looked at, and what could not be looked at. Its partitions are
// the shards.
func (c Config) CoverageTopic() string { return c.topic(coverageTopic) }

// StateTopic is the compacted topic whose partitions are the shards.
func (c Config) StateTopic() string { return c.topic(stateTopic) }

// GroupID is the id of the consumer group that assigns the shards.
func (c Config) GroupID() string {
	if c.Group.ID != "" {
		return c.Group.ID
	}
	return "farmwire." + c.StateTopic()
}
