package status

import "time"

// Trigger is the state of one instance of a trigger at one moment.
type Trigger struct {
	At       time.Time // the moment
	Target   string    // where events are delivered
	Opening  bool      // the topics and the group's position are being looked at
	Waiting  error     // why that has not succeeded yet; nil if nothing has failed
	Stopping bool
	Group    Group

	Partitions  int       // that the group assigns to this instance
	Unavailable time.Time // since when the target has taken nothing because it was not there; zero: it has not
	Reason      string    // why the target was not there the last time

	HeldBack        int       // events that have failed and are tried again
	Oldest          time.Time // when the oldest event that is not done was handed to Kafka; zero: there is none
	Lag             int64     // offsets by which the group is behind the end of the partitions
	Full            bool      // so many events are held back that nothing more is read
	DeadInRow       int       // events that were given up, without a delivery in between
	DeadLetterLimit int       // at so many the next one stops the trigger
	CommitErr       error     // why the last commit failed
	DeadLetterErr   error     // why the last copy to the dead-letter topic failed
}

// Ready reports whether nothing keeps the trigger from delivering events.
func (t Trigger) Ready() bool { return ready(t) }

// Text returns what /readyz answers: "ready" if the trigger is, and then a line for each cause.
func (t Trigger) Text() string { return text(t) }
