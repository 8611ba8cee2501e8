package publisher

import (
	"strconv"

	"farmwire/event"
)

// The state topic holds the snapshots of the shards. It is compacted, and its partitions are the shards. Package event has
// the form of its records.
//
// Why a change is published exactly once:
//
//  1. One writer. Everything of a shard is written under the transactional id farmwire.<state topic>.<partition>.
//     Acquiring the shard raises the epoch of the id first, and from then on brokers reject the requests of every
//     previous owner, however late they arrive. The id belongs to the partition, not to a group or a process: two
//     deployments on one state topic fence each other too.
//  2. One transaction. Events and the state that follows from them are committed together or not at
//     all. So at every instant the committed state of a session is its last committed event:
//     state is the fold of the events.
//  3. A final end. After a take-over (takeover.go) nothing of an earlier epoch can be written to the
//     partition or decided in it any more. So what is read up to its uncommitted end with
//     read_committed is all that was ever committed. A restore that read only to the last stable offset
//     could stop before a transaction whose markers are still on their way, and publish its changes
//     a second time.
//  4. The last record of a key decides, which is just what compaction keeps. It removes earlier
//     records of a key, aborted ones and, in time, tombstones. None of them change the fold.
//     The topic must not have cleanup.policy=delete, which would remove the record of a quiet session.
//  5. Compared again. After any error whose outcome is unknown the shard is acquired again: the
//     fence settles the transaction, the restore shows whether it was committed, and the next observation
//     is compared with that. A change that was committed is in the restored state and is no change any more.
//     A change that was not committed is found again.
//
// The records of one session are in one partition, because a session belongs to a worker and the worker's id decides
// the shard. Adding partitions to the topic would break that, as it would break the order of events. So a number
// of partitions other than that in the watch record is refused.

// transactionalID returns the transactional id under which everything of a shard is written.
func transactionalID(stateTopic string, shard int) string {
	return "farmwire." + stateTopic + "." + strconv.Itoa(shard)
}

// checkWatch refuses a watch record that does not fit this configuration or the topic's partitions.
func checkWatch(w event.WatchRecord, stateTopic, region string, partitions int) error {
	switch {
	case w.Region != region:
		return refuse(RegionDiffers, "%s belongs to region %s, and this is %s, and one state topic serves one region",
			stateTopic, w.Region, region)
	case w.Partitions != partitions:
		return refuseGrowth(stateTopic, w.Partitions, partitions)
	}
	return nil
}

func refuseGrowth(topic string, made, found int) error {
	return refuse(PartitionsAdded, "%s was made with %d partitions and now has %d, so the order per key is lost: restore it from a backup",
		topic, made, found)
}
