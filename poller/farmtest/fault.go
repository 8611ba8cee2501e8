package farmtest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Kind is a kind of fault.
type Kind string

// Faults of a whole call. The comments explain the rule's Delay and N where the fault uses them.
const (
	Slow      Kind = "slow"       // the answer is up to Delay late, and computed before or after that wait
	Hang      Kind = "hang"       // there is no answer; the connection is cut after Delay, or never if Delay is 0
	Cut       Kind = "cut"        // the connection is closed without an answer
	Reset     Kind = "reset"      // the connection is reset in the middle of the body
	Truncated Kind = "truncated"  // the body ends in the middle of the JSON text
	NotJSON   Kind = "not-json"   // 200 with an HTML page
	EmptyBody Kind = "empty-body" // 200 with no body

	Throttled     Kind = "throttled"           // 429 ThrottlingException, with Retry-After if Delay is set
	ThrottledBare Kind = "throttled-bare"      // 429 without error code and body, with Retry-After if Delay is set
	ThrottledDate Kind = "throttled-date"      // 429 ThrottlingException with an HTTP date in Retry-After
	ServerError   Kind = "server-error"        // 500 InternalServerErrorException, with Retry-After if Delay is set
	Unavailable   Kind = "unavailable"         // 503 without a body
	Expired       Kind = "expired-credentials" // 403 ExpiredTokenException
	Denied        Kind = "access-denied"       // 403 AccessDeniedException
)

// replaces reports whether the fault takes the place of the call's answer, or cuts it off.
func (k Kind) replaces() bool {
	switch k {
	case Hang, Cut, Reset, Truncated, NotJSON, EmptyBody,
		Throttled, ThrottledBare, ThrottledDate, ServerError, Unavailable, Expired, Denied:
		return true
	}
	return false
}

// Faults of a list. The first three, and PagesShift, are of listings alone. The others are of batch operations, too.
const (
	RepeatedToken   Kind = "repeated-token"   // from this page on, every page has the same token
	TokenRing       Kind = "token-ring"       // from this page on, N tokens (default 3) repeat in a cycle
	EndlessPages    Kind = "endless-pages"    // from this page on, N empty pages with new tokens follow, or pages without end if N is 0
	ListAbsent      Kind = "list-absent"      // the body has no list
	ListNull        Kind = "list-null"        // the list is null
	EntryIncomplete Kind = "entry-incomplete" // an entry lacks a required field
	EntryNull       Kind = "entry-null"       // an entry is null
	EpochTime       Kind = "epoch-time"       // an entry's time is a number
	UnknownFields   Kind = "unknown-fields"   // the answer and its entries have undocumented members

	// PagesShift repeats or skips up to N entries (default 3), as if others had come or gone between two pages. It
	// skips a session only if answers have shown it for Delay.
	PagesShift Kind = "pages-shift"
)

// Faults in which an answer shows less than the truth. With StaleStatuses workers' statuses are as they were, too, as far
// back as 64 changes.
const (
	StaleEnds     Kind = "stale-ends"     // ends within a period of up to Delay before the answer are not shown yet
	StaleStatuses Kind = "stale-statuses" // open sessions are shown as they were up to Delay ago, and newer ones not at all
	Missing       Kind = "missing"        // drawn for each session that answers have shown for Delay: the listing lacks it
)

// Faults of one worker or session in the answer of a batch operation. They are drawn for each that the service knows.
const (
	ItemServerError Kind = "item-server-error" // InternalServerErrorException
	ItemInvalid     Kind = "item-invalid"      // ValidationException
	ItemElsewhere   Kind = "item-elsewhere"    // ResourceNotFoundException that names the worker's fleet or the session's queue
	ItemUnknownCode Kind = "item-unknown-code" // an undocumented code
	ItemOmitted     Kind = "item-omitted"      // it is neither in the list nor among the errors
)

// Faults of a change of a session. They are drawn when the change is made, and are part of the truth.
const (
	LateShow       Kind = "late-show"        // answers show the change up to Delay late
	EndWithoutTime Kind = "end-without-time" // answers show ENDED, and endedAt after Delay, or never if Delay is 0
	EndTimeFirst   Kind = "end-time-first"   // answers show endedAt with the old status, and ENDED after Delay, or never if it is 0
)

// level is the occasion on which a fault is drawn.
type level int

const (
	perCall level = iota
	perEntry
	perChange
	levels
)

func (k Kind) level() level {
	switch k {
	case Missing, ItemServerError, ItemInvalid, ItemElsewhere, ItemUnknownCode, ItemOmitted:
		return perEntry
	case LateShow, EndWithoutTime, EndTimeFirst:
		return perChange
	default:
		return perCall
	}
}

// Fault is a rule that injects faults of one kind. A zero field does not restrict the rule. A call of a batch operation or
// of ListSessions is about no single fleet or worker, so that a rule for one strikes only what the answer says of it. A
// call has at most one fault that takes the place of its answer: that of the first rule that fires. Later rules of such
// faults are not asked then, so that their Count is not spent.
type Fault struct {
	Kind        Kind          `json:"kind"`
	Probability float64       `json:"probability"` // of each occasion that matches; 0 means 1
	Operation   Operation     `json:"operation,omitempty"`
	Fleet       string        `json:"fleet,omitempty"`  // identifier or display name
	Worker      string        `json:"worker,omitempty"` // identifier
	Page        int           `json:"page,omitempty"`   // the page of a listing, from 1
	After       int           `json:"after,omitempty"`  // the rule lets so many matching occasions pass first
	Count       int           `json:"count,omitempty"`  // the rule injects so many faults and then no more
	Every       time.Duration `json:"every,omitempty"`  // period of the rule, counted from the server's start
	For         time.Duration `json:"for,omitempty"`    // the rule is on during the last For of each Every
	Delay       time.Duration `json:"delay,omitempty"`  // explained at the kinds that use it
	N           int           `json:"n,omitempty"`      // explained at the kinds that use it
}

// target is what a call, an entry or a change is about. Rules are matched with it.
type target struct {
	operation Operation
	fleet     *Fleet
	fleetID   string
	workerID  string
	page      int
}

func (f *Fault) matches(t target) bool {
	if f.Operation != "" && f.Operation != t.operation || f.Page != 0 && f.Page != t.page {
		return false
	}
	if f.Worker != "" && f.Worker != t.workerID {
		return false
	}
	return f.Fleet == "" || f.Fleet == t.fleetID || t.fleet != nil && f.Fleet == t.fleet.name
}

// faults holds the rules and draws the faults that they inject.
type faults struct {
	mu      sync.Mutex
	rng     *rand.Rand
	clock   func() time.Time
	start   time.Time
	rules   [levels][]*rule
	present map[Kind]bool // the kinds that there was ever a rule of, for an operation that shows sessions
	fired   map[Kind]int
}

// rule is a Fault, on how many occasions it matched before it began, and how often it was injected.
type rule struct {
	Fault
	passed int
	fired  int
}

func newFaults(cfg Config, clock func() time.Time) *faults {
	f := &faults{
		rng: rand.New(rand.NewPCG(cfg.Seed, 2)), clock: clock, start: clock(),
		present: map[Kind]bool{}, fired: map[Kind]int{},
	}
	f.set(cfg.Faults)
	return f
}

func (f *faults) set(rules []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = [levels][]*rule{}
	for _, r := range rules {
		f.present[r.Kind] = f.present[r.Kind] || r.Operation.ShowsSessions()
		f.rules[r.Kind.level()] = append(f.rules[r.Kind.level()], &rule{Fault: r})
	}
}

// add adds rules before the others. It returns a function that removes them.
func (f *faults) add(rules []Fault) (remove func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := map[*rule]bool{}
	for _, r := range slices.Backward(rules) {
		one := &rule{Fault: r}
		added[one] = true
		f.present[r.Kind] = f.present[r.Kind] || r.Operation.ShowsSessions()
		level := &f.rules[r.Kind.level()]
		*level = slices.Insert(*level, 0, one)
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		for l := range f.rules {
			f.rules[l] = slices.DeleteFunc(f.rules[l], func(r *rule) bool { return added[r] })
		}
	}
}

// firedFaults are the faults that are injected into one call.
type firedFaults []Fault

func (fired firedFaults) find(k Kind) (Fault, bool) {
	for _, f := range fired {
		if f.Kind == k {
			return f, true
		}
	}
	return Fault{}, false
}

// call draws the faults of a call.
func (f *faults) call(t target) firedFaults {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fired firedFaults
	replaced := false
	for _, r := range f.rules[perCall] {
		if r.Kind.replaces() && replaced || !f.fires(r, t) {
			continue
		}
		replaced = replaced || r.Kind.replaces()
		fired = append(fired, r.Fault)
	}
	return fired
}

// entry draws a fault of an entry. It returns the first one that fires.
func (f *faults) entry(t target, kinds ...Kind) (Fault, bool) {
	return f.first(perEntry, t, kinds)
}

// change draws a fault for a change of a session of w.
func (f *faults) change(k Kind, w *Worker) (Fault, bool) {
	return f.first(perChange, target{fleet: w.fleet, fleetID: w.fleet.id, workerID: w.id}, []Kind{k})
}

func (f *faults) first(l level, t target, kinds []Kind) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules[l] {
		for _, k := range kinds {
			if r.Kind == k && f.fires(r, t) {
				return r.Fault, true
			}
		}
	}
	return Fault{}, false
}

// fires draws whether the rule injects its fault into the target now, and counts the fault if so.
func (f *faults) fires(r *rule, t target) bool {
	if r.Count > 0 && r.fired >= r.Count || !r.matches(t) {
		return false
	}
	if r.passed < r.After {
		r.passed++
		return false
	}
	if r.Every > 0 && f.clock().Sub(f.start)%r.Every < r.Every-r.For {
		return false
	}
	if r.Probability > 0 && f.rng.Float64() >= r.Probability {
		return false
	}
	r.fired++
	f.fired[r.Kind]++
	return true
}

// upTo draws a duration above zero and at most d.
func (f *faults) upTo(d time.Duration) time.Duration {
	return time.Duration(1 + f.intN(int64(max(d, 1))))
}

func (f *faults) intN(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Int64N(n)
}

// ever reports whether there was ever a rule of one of the kinds, for an operation that shows sessions.
func (f *faults) ever(kinds ...Kind) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range kinds {
		if f.present[k] {
			return true
		}
	}
	return false
}

func (f *faults) counts() map[Kind]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	counts := make(map[Kind]int, len(f.fired))
	for k, n := range f.fired {
		counts[k] = n
	}
	return counts
}

// list returns the rules.
func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []Fault{}
	for _, rules := range f.rules {
		for _, r := range rules {
			list = append(list, r.Fault)
		}
	}
	return list
}

// any reports whether there are rules of the level.
func (f *faults) any(l level) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.rules[l]) > 0
}
