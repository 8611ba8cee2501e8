// Package publisher puts the changes of worker sessions into Kafka, exactly once, and reads back what it has committed.
//
// What a record looks like on the wire is in package event, and how to reach a cluster in package cluster. The argument why
// a change is published exactly once is in state.go; the transaction and its laws are in transaction.go; what brokers
// answer and what is done about it is in retry.go; the take-over is in takeover.go, and reading back in restore.go.
//
// A shard is a partition of the state topic and the workers whose ids hash to it. Its life:
//
//	p, err := Open(ctx, config, topics, log, registry) // checks the topics
//	p.Initialize(ctx)                                  // writes the first records of the state topic, once in its life
//	p.Join(ctx, serve)                                 // the group assigns shards, and serve is called with each
//	s, err := p.Acquire(ctx, shard)                    // fences, reads to the uncommitted end, restores
//	s.PublishWatch(ctx, watch)                         // before a fleet's first listing is compared
//	s.Publish(ctx, changes)                            // events and state in one transaction
//
// The laws:
//
//   - Safety comes from the fence alone. The group only assigns. Acquiring a shard fences the previous owner: brokers
//     reject everything that it still tries to write, whatever process or consumer group it belonged to, because the
//     transactional id belongs to the partition of the state topic.
//   - Events and the state that follows from them are committed in one transaction.
//   - After any error a Shard can no longer be used. Acquiring it again shows what was committed, so nothing is published
//     again on a guess.
//   - A shard that was fenced may still be assigned to this process. If the group still assigns it, it is acquired again
//     after a pause that grows.
//   - kafka-go publishes: one pool of connections serves all transactional ids, and one AddPartitionsToTxn for all
//     partitions makes its transactions cheap. franz-go reads: unless it is asked to, it returns neither records of
//     aborted transactions nor control records.
package publisher
