// Package status describes what an instance of Farmwire knows about itself: how far its start has come, the state of its
// shards, what it cannot observe and why, and how old its newest answers are.
//
// A Report holds facts and no text. Unready and WriteSummary are the only places in the library where these facts become
// words, so that the probes and the summary of a dry run use the same words. The package imports no other package of
// Farmwire: package farmwire fills the report from the states of the poller and the shards.
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
	Err    error // why the shard waits; nil in any other state
}

// ShardState is a step in the life of a shard.
type ShardState int

const (
	Acquiring ShardState = iota // it is being fenced and restored
	Followed                    // its workers are polled and their changes are published
	Waiting                     // it was lost or could not be acquired, and is acquired again after a pause
)

// Polling is what is known about the requests to Deadline Cloud. While the instance owns no shard, the fields from Discovery
// to OldestListing are empty, because it then sends no requests, except for a probe until the first usable answer.
type Polling struct {
	Phase       Phase
	Answered    bool   // Deadline Cloud has given a usable answer since the start
	LastFailure string // why the last request failed, as long as there was no usable answer; "" if none has failed

	Discovery          []Failure // the lists of farms, fleets or workers that fail
	Targets            int       // the lists of farms, fleets and workers that are read again and again
	PendingTargets     int       // of these, the ones that were never read completely
	MissingFleets      []string  // fleets that were asked for and that none of the farms has
	CredentialsRefused bool      // no request is sent for a while, because the credentials were refused

	Unlisted       []Failure // some of the workers that cannot be listed
	UnlistedCount  int       // how many workers cannot be listed
	LookupsFailing int       // how many workers' sessions cannot be looked up one by one

	OldestListing          time.Duration        // the longest time since the last complete listing of any worker
	Farms, Fleets, Workers int                  // that discovery has found
	OpenSessions           int                  // whose events are committed
	Operations             map[string]Operation // by the operation's name in the Deadline Cloud API
}

// Phase is whether Deadline Cloud is polled.
type Phase int

const (
	NotStarted Phase = iota // no request was sent yet
	Started                 // requests are sent
	Ended                   // no request will be sent any more
)

// Failure is a request that failed the last times that it was made.
type Failure struct {
	FarmID, FleetID, WorkerID string // what the request was about; "" if it was not about a single one
	Operation                 string // the operation of the Deadline Cloud API
	Failures                  int    // in a row
	Reason                    string // of the last failure, as the metrics name it: denied, server_error, …
}

// Operation is how the attempts of one operation of the Deadline Cloud API went since the start.
type Operation struct {
	Answered uint64
	Failed   map[string]uint64 // by the reason, as the metrics name it: denied, throttled, server_error, …
}
