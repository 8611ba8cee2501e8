package farmtest

import (
	"maps"
	"sync"
	"time"
)

// Outcomes of a call besides the error codes ("ThrottlingException", …) and, for errors without
// a code, the HTTP status ("429", "503").
const (
	OutcomeOK   = "ok"
	OutcomeCut  = "cut"  // a fault spoiled the connection or the body
	OutcomeLeft = "left" // the client left before the answer was ready
)

// Call is a call that is about to be answered, or was left without an answer.
type Call struct {
	Operation                 Operation // empty: no such operation
	FarmID, FleetID, WorkerID string    // as in the path
	Page                      int       // from 1; 0: no listing
	Arrived, Done             time.Time // our clock
	Outcome                   string
	Faults                    []Kind // that struck it
}

// Stats counts the calls since the start.
type Stats struct {
	Calls     map[Operation]map[string]int // by outcome
	Faults    map[Kind]int                 // how often each struck
	PerSecond []int                        // calls that arrived in each second since the start, up to the last with a call
	AtOnce    int                          // most calls in flight at an instant
	PerWorker int                          // most calls of ListSessionsForWorker in flight for one worker
}

// calls counts. A call that the client gave up is in flight until the server has noticed.
type calls struct {
	mu       sync.Mutex
	start    time.Time
	stats    Stats
	flying   int
	byWorker map[string]int
}

func newCalls(start time.Time) *calls {
	return &calls{start: start, byWorker: map[string]int{}, stats: Stats{Calls: map[Operation]map[string]int{}}}
}

// maxSeconds bounds PerSecond: one day.
const maxSeconds = 24 * 60 * 60

func (c *calls) begin(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flying++
	c.stats.AtOnce = max(c.stats.AtOnce, c.flying)
	if call.WorkerID != "" {
		c.byWorker[call.WorkerID]++
		c.stats.PerWorker = max(c.stats.PerWorker, c.byWorker[call.WorkerID])
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
	c.flying--
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
