package publisher

import (
	"context"
	"errors"
	"strings"

	"farmwire/cluster"
)

// The kinds of problems that only publishing has. Package cluster has the others.
const (
	NoLeader                     cluster.Kind = "partition without a leader"
	NoProgress                   cluster.Kind = "partition not read to its end"
	RecordTooLarge               cluster.Kind = "record too large" // for max.message.bytes of its topic
	TransactionPending           cluster.Kind = "previous transaction pending"
	TransactionTimeoutNotAllowed cluster.Kind = "transaction timeout not allowed"
	TransactionalIDNotAllowed    cluster.Kind = "transactional id not allowed"
)

// The kinds of problem with the topics. All but TopicMissing are an ErrRefused.
const (
	TopicMissing     cluster.Kind = "topic missing"
	TopicUnsafe      cluster.Kind = "topic unsafe"
	TopicNotWritable cluster.Kind = "topic not writable" // Read, Write or Describe is not granted
	PartitionsDiffer cluster.Kind = "partitions differ"  // from what was asked for
	PartitionsUneven cluster.Kind = "partitions uneven"  // the topics have different numbers
	PartitionsAdded  cluster.Kind = "partitions added"   // since the state topic was initialized
	TooFewBrokers    cluster.Kind = "too few brokers"    // for the replicas that were asked for
	TooFewReplicas   cluster.Kind = "too few replicas"   // for what was asked for
	RegionDiffers    cluster.Kind = "region differs"     // from that of the state topic
	StateLost        cluster.Kind = "state lost"         // the events topic has records and the state topic has none
	VersionTooOld    cluster.Kind = "version too old"    // a newer Farmwire has written to the state topic
	TopicDeleted     cluster.Kind = "topic deleted"      // while it was in use; not an ErrRefused
	SharedTopics     cluster.Kind = "topics shared"      // by another deployment, in another group; not an ErrRefused
)

// explain is [cluster.Config.Explain], and also explains the errors that only publishing has.
func (c Config) explain(err error) error {
	return c.Cluster.Explain(c.explainDeleted(explainTransaction(err)), c.TopicPrefix, c.GroupID())
}

// explainClosed is [cluster.Config.ExplainClosed], and also explains the errors that only publishing has.
func (c Config) explainClosed(ctx context.Context, err error) error {
	return c.Cluster.ExplainClosed(ctx, explainTransaction(err), c.TopicPrefix, c.GroupID())
}

// explainDeleted explains that a topic is missing which is in use. The errors of requests name it in their text. The state
// topic comes last, because its name is in the transactional ids too.
func (c Config) explainDeleted(err error) error {
	if _, already := errors.AsType[*cluster.Error](err); err == nil || already || errors.Is(err, ErrRefused) || cluster.Code(err) != 3 {
		return err
	}
	for _, r := range [...]role{endedTopic, eventsTopic, coverageTopic, stateTopic} {
		if name := c.topic(r); strings.Contains(err.Error(), name) {
			return &cluster.Error{Kind: deletedKind(r), Err: err, Text: name + " does not exist any more, or this user may not describe it: " + deletedCure(r)}
		}
	}
	return err
}

// deletedKind returns the kind of the problem that a topic was deleted.
func deletedKind(r role) cluster.Kind {
	if r == stateTopic {
		return StateLost
	}
	return TopicDeleted
}

// deletedCure returns what to do after a topic was deleted.
func deletedCure(r role) string {
	switch r {
	case endedTopic:
		return "it only has copies of ended events, so create it again with as many partitions as the other topics have"
	case eventsTopic:
		return "the events that were in it are lost unless it is restored from a backup; if there is none, create it again with as many partitions as the other topics have, and new events go on with the sequences of their sessions"
	case coverageTopic:
		return "what it said of the past is lost unless it is restored from a backup; if there is none, create it again with as many partitions as the other topics have"
	default:
		return "it says what has been published, so restore it from a backup"
	}
}

// explainTransaction puts a [cluster.Error] around what brokers answer about partitions and transactions.
func explainTransaction(err error) error {
	if _, already := errors.AsType[*cluster.Error](err); err == nil || already {
		return err
	}
	switch code := cluster.Code(err); {
	case errors.Is(err, errNoLeader):
		return &cluster.Error{Kind: NoLeader, Err: err, Text: "a partition has no leader: start the brokers that keep its replicas"}
	case errors.Is(err, errNoProgress):
		return &cluster.Error{Kind: NoProgress, Err: err,
			Text: "a partition could not be read to its end: its leader is slow, or a transaction is open in it, which kafka-transactions.sh find-hanging lists if nothing is going to end it"}
	case code == int16(codeConcurrent):
		return &cluster.Error{Kind: TransactionPending, Err: err,
			Text: "the brokers have not ended the transaction before: one that leads a partition of it, or of the transaction log, is down, or too few replicas are in sync; look into the brokers' logs"}
	case code == 50:
		return &cluster.Error{Kind: TransactionTimeoutNotAllowed, Err: err,
			Text: "the broker does not allow transactions of a minute: set its transaction.max.timeout.ms to 60000 or more (15 minutes by default)"}
	case code == 53:
		return &cluster.Error{Kind: TransactionalIDNotAllowed, Err: err,
			Text: "the broker does not allow this transactional id: grant Write and Describe on the transactional ids with the prefix \"farmwire.\" and the state topic's name"}
	}
	return err
}
