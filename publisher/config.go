package publisher

import "time"

// Compression is what a record batch is compressed with. None and gzip are the two that every
// Kafka client can read without a plug-in.
type Compression string

const (
	CompressionNone Compression = "none"
	CompressionGzip Compression = "gzip"
)

// Config says which cluster to publish to, under which names, and as whom.
type Config struct {
	Brokers        []string      // host:port of some brokers of the cluster, at least one
	TopicPrefix    string        // the topics are <prefix>.events, .ended and .state
	Region         string        // AWS region that the sessions are of; kept in the state topic
	Initial        string        // open, all or none: what the first start publishes; kept in the state topic
	Group          string        // consumer group that assigns the shards; "": farmwire.<state topic>
	InstanceID     string        // name of a static group member; "": a dynamic member
	SessionTimeout time.Duration // after this long without a heartbeat the group gives the shards away
	Compression    Compression   // "": none
	Security       Security      // TLS and SASL
}

// EventsTopic is the topic of every change.
func (c Config) EventsTopic() string { return c.TopicPrefix + ".events" }

// EndedTopic is the topic of the copies of ended events, for automation.
func (c Config) EndedTopic() string { return c.TopicPrefix + ".ended" }

// StateTopic is the compacted topic whose partitions are the shards.
func (c Config) StateTopic() string { return c.TopicPrefix + ".state" }

// GroupID is the consumer group that assigns the shards.
func (c Config) GroupID() string {
	if c.Group != "" {
		return c.Group
	}
	return "farmwire." + c.StateTopic()
}
