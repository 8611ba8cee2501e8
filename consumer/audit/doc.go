// Package audit checks that the topics that Farmwire writes are whole and unchanged.
//
//	report, err := audit.Run(ctx, audit.Config{Consumer: c, Keys: verifiers})
//	if err == nil && report.Clean() { … }
//
// Run reads each topic once, with read_committed, up to the end that it had when Run began. It computes the hash chains of all
// shards, and compares them with every heartbeat, with the state topic, and with checkpoints that were kept elsewhere. It also
// checks what the contract says of each record: the order and the sequence of a session's events, their partitions, the copies of
// the ended events, and the stored state of open sessions.
//
// What it finds is in the Report. The error says only that the topics could not be read. Then nothing is known of them.
package audit
