package check

import (
	"fmt"
	"io"
	"time"
)

// Input is what a check compares.
type Input struct {
	// Topics as Apache's console consumer prints them from the beginning with read_committed and print.timestamp,
	// print.partition, print.offset, print.headers, print.key and print.value, with a tab between columns and U+001E
	// between headers.
	Events, Ended, State io.Reader
	Truth                io.Reader     // JSON lines that the simulated farm wrote
	Region               string        // as in ce_source
	Partitions           int           // of each topic
	Until                time.Time     // by our clock: what could be seen by then must have been published
	Grace                time.Duration // what could be seen for so long must have been published; 0: a minute

	// Disturbances are JSON lines of [Disturbance]; nil: there were none. With JudgeListings the complete listings of a
	// session decide whether its start must be published, as the package comment says, and not Grace.
	Disturbances  io.Reader
	JudgeListings bool

	// The coverage topic, as the others, and the JSON lines of all requests that the simulated farm wrote. If they are nil, only
	// what the events and .state say of the logs is checked.
	Coverage, Requests io.Reader
	GapAfter           time.Duration // after which a failure is published as a gap
	Calm               time.Time     // by our clock: nothing fails from then on
	Fresh              time.Duration // how old the watermark of changes may be from then on; 0: this is not checked
}

// session is all that is known of one true session.
type session struct {
	id    string
	truth trueSession

	events   []event        // as read, and after checkOrder by number and once each
	doubtful bool           // events are missing, double or unreadable: what follows from that is no further anomaly
	ended    []digest       // its records in .ended
	stored   []storedRecord // its records in .state, as read
}

// checker holds one check.
type checker struct {
	in           Input
	farm         trueFarm
	texts        interner
	sessions     map[string]*session
	watches      map[int]*watch // by shard
	disturbances []disturbance
	logs         map[int]*shardLog      // by shard
	coverage     map[int]*shardCoverage // by shard
	storedChains []storedChain
	requests     *requests
	report       Report
}

func (c *checker) anomaly(k Kind, session, seen, truth string) {
	c.report.add(Anomaly{Kind: k, Session: session, Seen: seen, True: truth})
}

// checkPartition compares a record's partition with that of a text: its key or its worker's id.
func (c *checker) checkPartition(r record, text string) {
	c.report.Counts.Partitions++
	if want := partitionOf(text, c.in.Partitions); want != r.partition {
		c.anomaly(WrongPartition, r.key, fmt.Sprintf("partition %d, offset %d", r.partition, r.offset),
			fmt.Sprintf("murmur2(%s) mod %d is %d", text, c.in.Partitions, want))
	}
}
