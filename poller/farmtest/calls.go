package farmtest

import (
	"maps"
	"sync"
	"time"
)

// Outcomes of a call. Other outcomes are the error code ("ThrottlingException", …) or, for an error without
// a code, the HTTP status ("429", "503").
const (
	OutcomeOK   = "ok"
	OutcomeCut  = "cut"  // a fault broke the connection or the body
	OutcomeLeft = "left" // the client disconnected before the answer was ready
)

// Call describes a call just before its answer is written, or when it ends without an answer.
type Call struct {
	Operation                 Operation // empty if the service has no such operation
	FarmID, FleetID, WorkerID string    // as in the path; empty if the path names none
	QueueID, JobID            string    // as in the path, likewise
	Page                      int       // of a listing, from 1; 0 for other calls
	Arrived, Done             time.Time // our clock
	Outcome                   string
	Faults                    []Kind // the faults that were injected
}

// Stats counts the calls since the server was created.
type Stats struct {
	Calls                map[Operation]map[string]int // by outcome
	Faults               map[Kind]int                 // how often each was injected
	PerSecond            []int                        // calls that arrived in each second, up to the last one with a call
	MaxInFlight          int                          // the most calls in flight at the same time
	MaxInFlightPerWorker int                          // the most calls of ListSessionsForWorker in flight for one worker
}

// calls keeps the counts of Stats. A call that its client abandoned is in flight until the server notices.
type calls struct {
	mu       sync.Mutex
	start    time.Time
	stats    Stats
	inFlight int
	byWorker map[string]int
}

func newCalls(start time.Time) *calls {
	return &calls{start: start, byWorker: map[string]int{}, stats: Stats{Calls: map[Operation]map[string]int{}}}
}

// maxSeconds bounds the length of Stats.PerSecond to one day.
const maxSeconds = 24 * 60 * 60

func (c *calls) begin(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight++
	c.stats.MaxInFlight = max(c.stats.MaxInFlight, c.inFlight)
	if call.WorkerID != "" {
		c.byWorker[call.WorkerID]++
		c.stats.MaxInFlightPerWorker = max(c.stats.MaxInFlightPerWorker, c.byWorker[call.WorkerID])
	}
	second := int(call.Arrived.Sub(c.start) / time.Second)
	if second < 0 || second >= maxSeconds {
		return
	}
	for len(c.stats.PerSecond) <= second {
		c.stats.PerSecond = append(c.stats.PerSecond, 0)
	}
	c.stats.PerSecond[second]++
}

func (c *calls) end(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	if call.WorkerID != "" {
		if c.byWorker[call.WorkerID]--; c.byWorker[call.WorkerID] == 0 {
			delete(c.byWorker, call.WorkerID)
		}
	}
	byOutcome := c.stats.Calls[call.Operation]
	if byOutcome == nil {
		byOutcome = map[string]int{}
		c.stats.Calls[call.Operation] = byOutcome
	}
	byOutcome[call.Outcome]++
}

func (c *calls) snapshot(faults map[Kind]int) Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Faults = faults
	s.PerSecond = append([]int(nil), s.PerSecond...)
	s.Calls = make(map[Operation]map[string]int, len(c.stats.Calls))
	for op, byOutcome := range c.stats.Calls {
		s.Calls[op] = maps.Clone(byOutcome)
	}
	return s
}
