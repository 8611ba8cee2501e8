// Package publisher publishes the changes of worker sessions to Kafka, exactly once, and restores from Kafka what it has
// committed.
//
// Package event has the wire form of the records, and package cluster the way to reach a cluster. Why a change is published
// exactly once is explained in state.go. The transaction and its laws are in transaction.go, the errors of brokers and
// what is done about each in retry.go, the take-over in takeover.go, and the restore in restore.go.
//
// A shard is a partition of the state topic and the workers whose ids hash to it. This is its life:
//
//	p, err := Open(ctx, config, topics, log, registry) // checks the topics
//	p.Initialize(ctx)                                  // writes the first records of the state topic, once in its life
//	p.Join(ctx, serve)                                 // the group assigns shards, and serve is called with each
//	s, err := p.Acquire(ctx, shard)                    // fences the shard and restores its state
//	s.PublishCoverage(ctx, coverage)                   // also the watch, before a fleet's first listing is compared
//	s.Publish(ctx, changes)                            // events and state in one transaction
//
// The laws:
//
//   - Safety comes from the fence alone. The group only assigns. Acquiring a shard fences the previous owner: brokers
//     reject everything that it still tries to write, whatever process or consumer group it belonged to, because the
//     transactional id belongs to the partition of the state topic.
//   - Events and the state that follows from them are committed in one transaction.
//   - After any error a Shard can no longer be used. Acquiring it again shows what was committed. Nothing is published again
//     without that knowledge.
//   - A shard that was fenced may still be assigned to this process by the group. Then it is acquired again after a pause,
//     and the pauses grow.
//   - kafka-go publishes: one pool of connections serves all transactional ids, and one AddPartitionsToTxn for all
//     partitions makes its transactions cheap. franz-go reads: unless it is asked to, it returns neither records of
//     aborted transactions nor control records.
package publisher
