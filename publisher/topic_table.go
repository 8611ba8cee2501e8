package publisher

import (
	"strconv"
	"time"

	"farmwire/event"
)

// role is what a topic is for. It is the index of the topic's design in the table.
type role int

// The roles, in the order in which a transaction writes to their topics. stateTopic is the last, as takeOver needs it.
const (
	eventsTopic   role = iota // every change
	endedTopic                // copies of the events that tell of an end, for automation
	coverageTopic             // up to when everything was looked at, and what could not be looked at
	stateTopic                // the last known state of every session
	topicCount
)

// topicDesign says how the topic with a role is named and configured.
type topicDesign struct {
	suffix    string        // of its name, after the prefix
	compacted bool          // the last record of each key is kept forever, and nothing else
	retention time.Duration // how long a new topic that is not compacted keeps its records; 0: forever
	perShard  bool          // its partitions are the shards: a shard writes only to the partition with its own number
}

// topicTable returns the designs of all topics, by their roles.
func topicTable() [topicCount]topicDesign {
	return [topicCount]topicDesign{
		eventsTopic:   {suffix: event.EventsSuffix},
		endedTopic:    {suffix: event.EndedSuffix, retention: 7 * 24 * time.Hour},
		coverageTopic: {suffix: event.CoverageSuffix, perShard: true},
		stateTopic:    {suffix: event.StateSuffix, compacted: true, perShard: true},
	}
}

// topic returns the name of the topic with a role.
func (c Config) topic(r role) string { return c.TopicPrefix + topicTable()[r].suffix }

// Topics returns the names of all topics.
func (c Config) Topics() []string {
	names := make([]string, topicCount)
	for r := range topicCount {
		names[r] = c.topic(r)
	}
	return names
}

// partitionsOf returns the partitions to which a shard writes, of the topic with a role. n is the number of partitions of
// each topic.
func (c Config) partitionsOf(r role, shard, n int) []topicPartition {
	if topicTable()[r].perShard {
		return []topicPartition{{c.topic(r), int32(shard)}}
	}
	return partitionsOf(c.topic(r), n)
}

// The settings that decide whether a topic is safe.
const (
	cleanupPolicy   = "cleanup.policy"
	retention       = "retention.ms"
	retentionBytes  = "retention.bytes"
	minInsync       = "min.insync.replicas"
	uncleanElection = "unclean.leader.election.enable"
	timestampType   = "message.timestamp.type"

	compact       = "compact"
	forever       = "-1"
	logAppendTime = "LogAppendTime"
)

// settings returns the settings of a new topic with so many replicas.
func (d topicDesign) settings(replicas int) map[string]string {
	settings := map[string]string{minInsync: "1", uncleanElection: "false"}
	if replicas >= 3 {
		settings[minInsync] = "2"
	}
	if d.compacted {
		settings[cleanupPolicy] = compact
		return settings
	}
	settings[cleanupPolicy], settings[retention], settings[retentionBytes] = "delete", forever, forever
	if d.retention > 0 {
		settings[retention] = strconv.FormatInt(d.retention.Milliseconds(), 10)
	}
	return settings
}
