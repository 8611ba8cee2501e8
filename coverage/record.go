package coverage

import (
	"time"

	"farmwire/diff"
)

// Kinds holds one value for each kind of look.
//
//   - Changes: looks at open sessions.
//   - Announced: looks at the statuses of workers, and at what workers, fleets and farms there are.
//   - Starts: complete listings of workers, and looks at what workers, fleets and farms there are.
type Kinds[T any] struct{ Changes, Announced, Starts T }

// Watermark holds the time of each kind up to which everything was looked at and published, by the service's clock. The zero
// time says that not everything was looked at yet.
type Watermark = Kinds[time.Time]

// Affects says which kinds of looks a gap prevents.
type Affects = Kinds[bool]

// Scope is what a gap concerns: a worker; a fleet, if the worker id is empty; a farm, if only that is set; everything of the
// shard, if it is zero.
type Scope = diff.WorkerKey

// Record is what a shard publishes about its coverage. Exactly one field is set.
type Record struct {
	Heartbeat *Heartbeat
	Gap       *Gap
	Watch     *Watch
}

// Heartbeat says up to when a shard has looked at everything and has published what it was shown.
type Heartbeat struct {
	Watermark    Watermark
	Behind       []Behind // what the watermark leaves out; at most MaxBehind
	Fleets       int      // that are found
	Workers      int      // of the shard, in these fleets
	OpenSessions int      // of the shard
}

// Behind is something that an open gap concerns, or that has not caught up since its gap was closed.
type Behind struct {
	Gap       uint64 // the number of the gap
	Scope     Scope
	Affects   Affects   // the kinds that the watermark of the heartbeat leaves out
	Watermark Watermark // of those kinds
}

// Gap is a period in which something could not be looked at. Its times are by the service's clock.
type Gap struct {
	Number  uint64 // counts the gaps of the shard from 1
	Closed  bool
	Reason  Reason
	Affects Affects
	Scope   Scope
	From    time.Time         // of the newest good answer about any part of the scope; zero if there was none
	To      time.Time         // of the first good answer after that; zero as long as the gap is open
	Workers map[string]Period // of a gap with the reason Deleted: by worker id
}

// Period is the time between two moments.
type Period struct{ From, To time.Time }

// Reason is why something could not be looked at.
type Reason string

// The reasons.
const (
	Down        Reason = "down"        // no instance of Farmwire had the shard
	Throttled   Reason = "throttled"   // Deadline Cloud answered that there were too many requests
	Denied      Reason = "denied"      // a policy does not allow the requests
	Credentials Reason = "credentials" // there were no credentials that Deadline Cloud accepts
	Unreachable Reason = "unreachable" // no answer arrived
	Failing     Reason = "failing"     // the answers were errors, or could not be used
	Kafka       Reason = "kafka"       // nothing could be published
	Unresolved  Reason = "unresolved"  // Deadline Cloud does not say what became of a session
	Deleted     Reason = "deleted"     // workers were deleted before they were listed completely once more
)

// Watch says that the watch on a fleet has begun or ended.
type Watch struct {
	FarmID, FleetID string
	Ended           bool
	Since           time.Time // when the watch began; sessions that ended before are not published
	Reason          string    // why it has ended
}

// State is what a shard stores of its coverage, so that the next owner goes on from there.
type State struct {
	Alive      time.Time // of the newest good answer, by the service's clock; zero before the first
	Watermark  Watermark
	Behind     []Behind
	Gaps       []Gap            // the open ones
	Unanswered []Unanswered     // at most 100
	NextGap    uint64           // the number of the next gap
	Workers    []diff.WorkerKey // those that discovery shows, sorted
}

// Unanswered is a scope about which no request was answered usably since the newest good answer, and which is in no open gap: that
// may not be so for long enough yet.
type Unanswered struct {
	Scope   Scope
	Affects Affects   // the kinds of looks that come from these requests
	Good    time.Time // of the newest good answer; zero if there was none
	First   time.Time // of the first request that failed since
	Reason  Reason    // of the last one
}
