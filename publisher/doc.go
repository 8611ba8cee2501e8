// Package publisher puts the changes of worker sessions into Kafka, exactly once, and reads back
// what it has committed.
//
// It is the only room that knows Kafka. What a change looks like on the wire is in event.go; the state topic, its
// records and the argument why a change is published exactly once in state.go; the transaction and its laws in transaction.go;
// what the brokers answer and what is done about it in retry.go; reading back in restore.go.
//
// A shard is a partition of the state topic and the workers whose ids hash to it. Its life:
//
//	p, err := Open(ctx, config, log, registry) // topics checked, state topic born
//	p.Join(ctx, serve)                         // the group assigns shards and serve is called with each
//	s, err := p.Acquire(ctx, shard)            // fence, read to the uncommitted end, restore
//	s.PublishWatch(ctx, watch)                 // before a fleet's first listing is compared
//	s.Publish(ctx, changes)                    // events and state in one transaction
//
// The laws:
//
//   - Safety comes from the fence alone; the group only assigns. The transactional id belongs to the state topic's
//     partition, so whoever acquires a shard ends what his predecessor could still write, whichever group,
//     process or deployment that was.
//   - Events and the state that follows from them are committed in one transaction.
//   - After any error a Shard is dead, and acquiring it again shows what was committed. Nothing is replayed on a guess.
//   - Being fenced does not prove that the shard has another owner: the group is asked, and if it still
//     assigns the shard it is acquired again, after a growing pause.
//   - kafka-go publishes: one pool of connections serves all transactional ids, and one AddPartitionsToTxn for all partitions
//     makes its transactions cheap. franz-go reads: it hands out neither aborted nor control records unless asked.
package publisher
