package farmtest

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Kind names what goes wrong.
type Kind string

// Faults of a whole call. The comment says what Delay and N mean to them.
const (
	Slow      Kind = "slow"       // the answer comes late, by up to Delay; computed before or after the wait
	Hang      Kind = "hang"       // no answer until the client gives up, or the connection is cut after Delay
	Cut       Kind = "cut"        // the connection is closed without an answer
	Reset     Kind = "reset"      // the connection is reset in mid-body
	Truncated Kind = "truncated"  // a body that ends in mid-JSON
	NotJSON   Kind = "not-json"   // 200 with a page of HTML
	EmptyBody Kind = "empty-body" // 200 with no body

	Throttled     Kind = "throttled"           // 429 ThrottlingException, Retry-After if Delay is set
	ThrottledBare Kind = "throttled-bare"      // 429 without error code and body, Retry-After if Delay is set
	ThrottledDate Kind = "throttled-date"      // 429 ThrottlingException with an HTTP date in Retry-After
	ServerError   Kind = "server-error"        // 500 InternalServerErrorException, Retry-After if Delay is set
	Unavailable   Kind = "unavailable"         // 503 without a body
	Expired       Kind = "expired-credentials" // 403 ExpiredTokenException
	Denied        Kind = "access-denied"       // 403 AccessDeniedException
)

// Faults of a listing.
const (
	RepeatedToken   Kind = "repeated-token"   // from this page on the same token comes back for ever
	TokenRing       Kind = "token-ring"       // from this page on N tokens (default 3) come round for ever
	EndlessPages    Kind = "endless-pages"    // from this page on empty pages with new tokens; N of them, 0: for ever
	ListAbsent      Kind = "list-absent"      // the body has no list
	ListNull        Kind = "list-null"        // the list is null
	EntryIncomplete Kind = "entry-incomplete" // an entry lacks a required field
	EntryNull       Kind = "entry-null"       // an entry is null
	EpochTime       Kind = "epoch-time"       // an entry's time is a number
	PagesShift      Kind = "pages-shift"      // entries came or went between two pages: up to N (default 3) are repeated or skipped; skipped only sessions shown since Delay or longer
	UnknownFields   Kind = "unknown-fields"   // the answer and its entries have members that nobody knows
)

// Faults of what answers show of sessions.
const (
	StaleEnds     Kind = "stale-ends"     // ends of the last Delay, or less, are not shown yet
	StaleStatuses Kind = "stale-statuses" // open sessions are shown as they were up to Delay ago, new ones not at all
	Missing       Kind = "missing"        // per session: it is not in this listing; only those shown since Delay or longer
)

// Faults of one entry of BatchGetSession; drawn for each session that the service knows.
const (
	ItemServerError Kind = "item-server-error" // InternalServerErrorException
	ItemInvalid     Kind = "item-invalid"      // ValidationException
	ItemElsewhere   Kind = "item-elsewhere"    // ResourceNotFoundException that names the queue
	ItemUnknownCode Kind = "item-unknown-code" // a code that is in no enum
	ItemOmitted     Kind = "item-omitted"      // neither among the sessions nor among the errors
)

// Faults of a change of a session, drawn when it is made. They become part of the truth.
const (
	LateShow       Kind = "late-show"        // answers show the change up to Delay later
	EndWithoutTime Kind = "end-without-time" // ENDED comes without endedAt, which follows after Delay; 0: never
	EndTimeFirst   Kind = "end-time-first"   // endedAt comes with the old status, ENDED follows after Delay; 0: never
)

// level says when a fault is drawn.
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

// Fault is a rule: when what goes wrong. Fields that are zero restrict nothing.
type Fault struct {
	Kind        Kind          `json:"kind"`
	Probability float64       `json:"probability"` // each time it could strike; 0 counts as 1
	Operation   Operation     `json:"operation,omitempty"`
	Fleet       string        `json:"fleet,omitempty"`  // identifier or display name
	Worker      string        `json:"worker,omitempty"` // identifier
	Page        int           `json:"page,omitempty"`   // the page of a listing, from 1
	Count       int           `json:"count,omitempty"`  // it strikes so many times
	Every       time.Duration `json:"every,omitempty"`  // together with For: it is on for the last For of each Every
	For         time.Duration `json:"for,omitempty"`
	Delay       time.Duration `json:"delay,omitempty"` // see the kinds
	N           int           `json:"n,omitempty"`     // see the kinds
}

// target is what a fault may strike.
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

// faults holds the rules and draws from them.
type faults struct {
	mu      sync.Mutex
	rng     *rand.Rand
	clock   func() time.Time
	start   time.Time
	rules   [levels][]*rule
	present map[Kind]bool // kinds that were ever on
	hits    map[Kind]int
}

type rule struct {
	Fault
	struck int
}

func newFaults(cfg Config, clock func() time.Time) *faults {
	f := &faults{
		rng: rand.New(rand.NewPCG(cfg.Seed, 2)), clock: clock, start: clock(),
		present: map[Kind]bool{}, hits: map[Kind]int{},
	}
	f.set(cfg.Faults)
	return f
}

func (f *faults) set(rules []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = [levels][]*rule{}
	for _, r := range rules {
		f.present[r.Kind] = true
		f.rules[r.Kind.level()] = append(f.rules[r.Kind.level()], &rule{Fault: r})
	}
}

// strikes are the faults that hit one call.
type strikes []Fault

func (s strikes) find(k Kind) (Fault, bool) {
	for _, f := range s {
		if f.Kind == k {
			return f, true
		}
	}
	return Fault{}, false
}

// call draws the faults of a call.
func (f *faults) call(t target) strikes {
	f.mu.Lock()
	defer f.mu.Unlock()
	var hit strikes
	for _, r := range f.rules[perCall] {
		if f.strikes(r, t) {
			hit = append(hit, r.Fault)
		}
	}
	return hit
}

// entry draws the faults of an entry; only the first that hits counts.
func (f *faults) entry(t target, kinds ...Kind) (Fault, bool) {
	return f.first(perEntry, t, kinds)
}

// change draws a fault of a change of a session of w.
func (f *faults) change(k Kind, w *Worker) (Fault, bool) {
	return f.first(perChange, target{fleet: w.fleet, fleetID: w.fleet.id, workerID: w.id}, []Kind{k})
}

func (f *faults) first(l level, t target, kinds []Kind) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules[l] {
		for _, k := range kinds {
			if r.Kind == k && f.strikes(r, t) {
				return r.Fault, true
			}
		}
	}
	return Fault{}, false
}

func (f *faults) strikes(r *rule, t target) bool {
	if r.Count > 0 && r.struck >= r.Count || !r.matches(t) {
		return false
	}
	if r.Every > 0 && f.clock().Sub(f.start)%r.Every < r.Every-r.For {
		return false
	}
	if r.Probability > 0 && f.rng.Float64() >= r.Probability {
		return false
	}
	r.struck++
	f.hits[r.Kind]++
	return true
}

// upTo draws a duration above zero and up to d.
func (f *faults) upTo(d time.Duration) time.Duration {
	return time.Duration(1 + f.intN(int64(max(d, 1))))
}

func (f *faults) intN(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rng.Int64N(n)
}

// ever reports whether a rule of one of the kinds was ever on.
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
	counts := make(map[Kind]int, len(f.hits))
	for k, n := range f.hits {
		counts[k] = n
	}
	return counts
}

// list returns the rules that are on.
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
