// Package status describes what an instance of Farmwire knows about itself: how far its start has come, the state of its
// shards, what it cannot observe and why, and how old its newest answers are.
//
// A Report holds facts and no text. The files whose names begin with words are the only places in the library where these
// facts become words, so that the probes, the log and the summary of a dry run use the same words. The package imports no
// other package of Farmwire: package farmwire fills the report from the states of the poller, the shards and the group.
package status

import "time"

// Report is the state of one instance at one moment.
type Report struct {
	At        time.Time // the moment
	Region    string    // whose farms are watched
	DryRun    bool      // events are printed instead of published, and a transaction is the printing of some
	Stage     Stage
	Waiting   error // why the stage has not passed yet: the last error of what is tried again; nil if nothing has failed
	Group     Group
	Shards    []Shard // the shards that the consumer group assigns to this instance, in any order
	AllShards int     // how many shards there are; 0 if it is not known yet
	Polling   Polling
}

// Stage is how far the start of an instance has come.
type Stage int

const (
	OpeningTopics Stage = iota // the topics are being opened and checked
	Initializing               // the state topic is not initialized yet, or is not known to be
	Running                    // the instance follows the shards that it is assigned
)

// Group is the membership in the consumer group that assigns the shards.
type Group struct {
	Joined bool  // the instance is a member
	Err    error // the last error of the group; nil if the group was reached since then
}

// Shard is a shard that the consumer group assigns to this instance.
type Shard struct {
	Number   int
	State    ShardState
	Since    time.Time // when the state began
	Err      error     // why the shard failed the last time in this assignment; nil if it has not failed
	Failures int       // in a row, without a minute in between in which the shard was followed

	Assigned time.Time // when the assignment began
	Newest   time.Time // when the newest transaction of the assignment was committed; zero if none was

	// Of a shard that is followed.
	Committed   time.Time      // Newest, if it was committed since the restore; else zero
	Publishing  time.Time      // when the transaction began that is in flight; zero if none is
	Unpublished int            // workers whose changes could not be committed in this assignment, and were not committed since
	Unasked     int            // restored open sessions that Deadline Cloud was not asked for since the restore
	Leaderless  map[string]int // workers whose changes wait for a partition that has no leader, by partition
}

// LastCommit returns when the shard has last committed, or was assigned.
func (s Shard) LastCommit() time.Time { return latest(s.Newest, s.Assigned) }

// ShardState is a step in the life of a shard.
type ShardState int

const (
	Acquiring ShardState = iota // it is being fenced and restored
	Followed                    // its workers are polled and their changes are published
	Waiting                     // it was lost or could not be acquired, and is acquired again after a pause
)

// Polling is what is known about the requests to Deadline Cloud. While the instance owns no shard, everything from Discovery
// to Budget is empty, because it then sends no requests, except for a probe until a farm is shown.
type Polling struct {
	Phase       Phase
	Answered    bool   // Deadline Cloud has given a usable answer since the start
	FarmShown   bool   // such an answer has shown a farm, or was about one that was asked for
	LastFailure string // why the last request failed, as long as there was no usable answer; "" if none has failed

	Discovery              []Failure // the lists of farms, fleets or workers that fail
	Targets                int       // the lists of farms, fleets and workers that are read again and again
	PendingTargets         int       // of these, the ones that were never read completely
	Searched               bool      // all were read once; what is pending now was found later
	MissingFarms           []string  // farms that were asked for and that the service does not find
	MissingFleets          []string  // fleets that were asked for and that are in none of the farms
	EmptyFarms             []string  // farms without a fleet to watch
	OtherAccount           bool      // none of the farms that are stored is listed any more
	CredentialsRefused     bool      // the credentials were refused, and were not accepted since then
	CredentialsUnavailable bool      // the credentials cannot be fetched, so that no request is sent

	Failing        []Outage  // the operations that have given no usable answer since they first failed
	Unlisted       []Failure // some of the workers that cannot be listed
	UnlistedCount  int       // how many workers cannot be listed
	LookupsFailing int       // how many workers' sessions cannot be looked up one by one
	Missing        int       // open sessions of which the service says that their queue, fleet or farm does not exist

	Watched           int           // workers that are listed again and again
	NeverListed       int           // of these, the ones that ListWorkers shows and that were never listed
	OldestNeverListed time.Duration // how long the longest of them has waited for its first listing
	OldestLook        time.Duration // the longest time since the last answer about an open session that is committed
	Watermarks        Watermarks
	Budget            Budget
	Expected          Expected

	ThrottledRatio         float64 // the part of the attempts in the last five minutes that was throttled, from 0 to 1
	Farms, Fleets, Workers int     // that discovery has found
	OpenSessions           int     // whose events are committed
	SessionSeen            bool    // a listing has shown a session, with which the lookups could be tried
	Operations             map[string]Operation
}

// Watermarks say how long ago the time is up to which everything was looked at and published. They are the oldest of the
// instance's shards, and nil as long as not everything was looked at once.
type Watermarks struct {
	Changes   *time.Duration // of open sessions
	Announced *time.Duration // of the statuses of workers
	Starts    *time.Duration // of what is new on workers
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
	Failures                  int    // in a row; 0 for a worker that is not tried, because others of its fleet fail
	Reason                    string // of the last failure, as the metrics name it: denied, server_error, …
	Pending                   bool   // it has never succeeded; of discovery
}

// Outage is an operation of the Deadline Cloud API that is in use and has given no usable answer since it first failed.
type Outage struct {
	Operation string
	For       time.Duration // since the first failure
	Reason    string        // of the last failure, as the metrics name it
}

// Operation is how the attempts of one operation of the Deadline Cloud API went since the start.
type Operation struct {
	Answered uint64
	Failed   map[string]uint64 // by the reason, as the metrics name it: denied, throttled, server_error, …
}

// Budget is what this instance may ask of Deadline Cloud, and whether that suffices for the sessions that start.
type Budget struct {
	Rate      float64       // requests a second that this instance may send
	Staleness time.Duration // how old the last listing of a worker may become where the rate allows it; that it does not is no fault
	TooLow    error         // why listings for the starts queue up, and which rate would do; nil if they do not
	Late      time.Duration // how late starts are seen then in the mean, at most; 0 if TooLow says it
}

// Expected is how soon the instance can be expected to see starts and ends.
type Expected struct{ Starts, Ends Delay }

// Delay is the time from a change to the answer that shows it. It is zero if nothing can be promised or nothing is known.
type Delay struct{ Mean, P99 time.Duration }
