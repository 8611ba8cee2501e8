package trigger

import (
	"context"
	"time"

	"farmwire/event"
)

// Target is where events are delivered.
type Target interface {
	// Deliver tries to deliver an event once. It returns soon after ctx has ended.
	Deliver(ctx context.Context, d Delivery) Result

	// String names the target in logs. It holds no secret.
	String() string
}

// Delivery is one try to deliver an event.
type Delivery struct {
	Record  event.Record // as it is in Kafka
	Event   event.Event  // what the record says
	Attempt int          // counts the tries of this process from 1
}

// Result is what came of a try.
type Result struct {
	Outcome    Outcome
	Reason     string        // one line for people, without secrets: "the command exited with 3"; "" if it was delivered
	Exit       int           // the command's exit code, if it ended by itself
	Status     int           // the status of the HTTP answer, if there was one
	Stderr     []byte        // the last 4 KiB that the command wrote to stderr
	RetryAfter time.Duration // the least time until the next try; 0: the target has named none
}

// Outcome is a kind of result. It decides what becomes of the event.
type Outcome int

// The outcomes.
const (
	Delivered   Outcome = iota
	Unavailable         // nobody was there to take the event, which is tried again for as long as it takes
	Refused             // the target said no, which counts as an attempt
	Impossible          // no try of any event can succeed, so the trigger stops
)
