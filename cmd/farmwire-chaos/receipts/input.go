package receipts

// Time is a moment in the life of the receiver. It counts what happens there, so that two moments always have an order.
type Time int

// never is later than every moment.
const never = Time(1<<62 - 1)

// Input is all that is known of one consumer group.
type Input struct {
	Events   []Event         // everything that was written for delivery, the events of a session in their order
	Refuses  map[string]bool // the ids that the receiver always refuses
	Attempts int             // after so many refusals a trigger gives an event up
	Requests []Request       // in the order of their answers
	Letters  []Letter        // every record of the dead-letter topic
	Commits  []Commit        // where the group stood, seen again and again
}

// Event is an event as it was written to Kafka.
type Event struct {
	ID        string
	Session   string
	Partition string // of which topic, and its number
	Offset    int64
	Content   string // attributes and body, as the receiver writes them down
	Committed bool   // not part of a transaction that was aborted
}

// Request is one delivery as the receiver saw it.
type Request struct {
	ID       string // of the event in the request
	Sender   string // the process that sent it
	Content  string
	Problem  string // what else is wrong with it, such as its signature; "" if nothing is
	Arrived  Time
	Answered Time // when the answer was decided
	Answer   Answer
}

// Answer is what the receiver did with a request.
type Answer string

// The answers.
const (
	Yes   Answer = "yes"   // took it, and said so
	No    Answer = "no"    // refused it
	Taken Answer = "taken" // took it, and cut the connection or kept silent
	Away  Answer = "away"  // did not take it, and did not refuse it either
)

// Letter is a record of the dead-letter topic.
type Letter struct {
	ID       string
	Reason   string
	Attempts int
	Content  string
}

// Commit is a look at where the group stands in a partition. Everything before the offset is done, says the group.
type Commit struct {
	Partition string
	Offset    int64
	Seen      Time // when the answer was there
}
