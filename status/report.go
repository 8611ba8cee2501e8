// Package status is what an instance of Farmwire knows of itself: how far its start has come, the state of
// its shards, what it cannot observe and why, and how old its newest answers are.
//
// A Report holds facts and no text. Unready and WriteSummary are the only places in the library where
// these facts become words, so that probes, logs and the summary of a dry run say the same thing in the
// same way. The package imports nothing else of Farmwire: package farmwire fills the report from what the
// poller and the publisher say of themselves.
package status

import "time"

// Report is the state of one instance at one moment.
type Report struct {
	Stage   Stage
	Shards  []Shard // the shards that the consumer group assigns to this instance, in any order
	Polling Polling
}

// Stage is how far the start of an instance has come.
type Stage int

const (
	OpeningTopics Stage = iota // the topics are being opened and checked
	Initializing               // the state topic is not initialized yet, or is not known to be
	Running                    // the instance follows the shards that it is assigned
)

// Shard is a shard that the consumer group assigns to this instance.
type Shard struct {
	Number int
	State  ShardState
	Err    error // Waiting: why the shard was lost
}

// ShardState is a step in the life of a shard.
type ShardState int

const (
	Acquiring ShardState = iota // it is fenced and restored
	Followed                    // its workers are polled and their changes are published
	Waiting                     // it is acquired again after a pause
)

// Polling is what is known of the requests to Deadline Cloud. While no shard is owned, the fields from Discovery to
// OldestListing are empty, because nothing is asked for then, apart from a probe until the first usable answer.
type Polling struct {
	Phase    Phase
	Answered bool   // Deadline Cloud has given a usable answer since the start
	Refusal  string // why the last request failed, while there was no usable answer; "" if none has failed

	Discovery          []Failure // lists of farms, fleets or workers that fail
	Targets            int       // lists of farms, fleets and workers that are looked up again and again
	PendingTargets     int       // of these, the ones that were never read completely
	MissingFleets      []string  // fleets that were asked for and that none of the farms has
	CredentialsRefused bool      // no request is sent for a while, because the credentials were refused

	Unlisted       []Failure // some of the workers that cannot be listed
	UnlistedCount  int       // how many workers cannot be listed
	LookupsFailing int       // workers whose sessions cannot be asked for one by one

	OldestListing          time.Duration // age of the oldest newest listing of a worker
	Farms, Fleets, Workers int           // what discovery shows
	OpenSessions           int           // as committed
	Operations             map[string]Operation
}

// Phase is whether Deadline Cloud is polled.
type Phase int

const (
	NotStarted Phase = iota
	Started
	Ended
)

// Failure is a request that failed the last times that it was made.
type Failure struct {
	FarmID, FleetID, WorkerID string // what it was about; "" is all
	Operation                 string // of the Deadline Cloud API
	Failures                  int    // in a row
	Reason                    string // the last one, as the metrics name it: denied, server_error, …
}

// Operation is how the attempts of one operation of the Deadline Cloud API went since the start.
type Operation struct {
	Answered uint64
	Failed   map[string]uint64 // by the reason, as the metrics name it: denied, throttled, server_error, …
}
