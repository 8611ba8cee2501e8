package check

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// state is what an answer shows of a session apart from its identity.
type state struct {
	status, target string // target "": none
	endedAt        instant
}

func (s state) ended() bool { return s.status == "ENDED" || s.endedAt != 0 }

// isFirst reports whether it is the state in which a session begins.
func (s state) isFirst() bool { return s == state{status: "STARTED"} }

func (s state) String() string {
	target, ended := s.target, "null"
	if target == "" {
		target = "null"
	}
	if s.endedAt != 0 {
		ended = s.endedAt.wire()
	}
	return s.status + "/" + target + "/" + ended
}

// trueState is a state that a session had.
type trueState struct {
	state
	shown instant // by our clock: from when on an answer could show it
}

// identity is what never changes about a session.
type identity struct {
	farm, fleet, worker, queue, job string
	startedAt                       instant
}

// trueSession is what truly happened to a session. Times are by our clock, except those within states.
type trueSession struct {
	identity
	states           []trueState
	forgottenAt      instant // by the service; 0: it still knows the session
	workerDeleted    instant
	listed           instant // when an answer first showed the session
	incompleteUntil  instant // when an answer last showed less than the truth
	completeListings int64   // how many showed the session
	listings         []listing
}

// listing is a complete listing that showed a session.
type listing struct {
	key        string // access key id of the process that asked
	begin, end instant
}

// firstEnded is the index of the first state that is an end, or -1.
func (t *trueSession) firstEnded() int { return t.index(state.ended) }

// index is that of the first state for which f holds, or -1.
func (t *trueSession) index(f func(state) bool) int {
	return slices.IndexFunc(t.states, func(s trueState) bool { return f(s.state) })
}

// trueFarm is what the last line of the truth says.
type trueFarm struct {
	StaleReads bool          `json:"staleReads"`
	Start      time.Time     `json:"start"`
	Skew       time.Duration `json:"skew"`
}

// truthLine is a line of the truth.
type truthLine struct {
	FarmID, FleetID, WorkerID, QueueID, JobID, SessionID string
	StartedAt                                            time.Time
	Forgotten                                            bool
	ForgottenAt, WorkerDeleted, Listed, IncompleteUntil  *time.Time
	CompleteListings                                     int64
	Listings                                             []struct {
		By        string
		Begun, At time.Time
	}
	States []struct {
		LifecycleStatus       string
		TargetLifecycleStatus *string
		EndedAt               *time.Time
		Shown                 time.Time
	}
	Farm *trueFarm
}

// readTruth calls f for every session and returns the farm.
func readTruth(r io.Reader, f func(id string, t trueSession)) (trueFarm, error) {
	lines := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	texts := interner{}
	for n := 1; ; n++ {
		var l truthLine
		if err := lines.Decode(&l); err == io.EOF {
			return trueFarm{}, errors.New("truth: the last line, which describes the farm, is missing")
		} else if err != nil {
			return trueFarm{}, fmt.Errorf("truth: line %d: %w", n, err)
		}
		if l.Farm != nil {
			return *l.Farm, nil
		}
		f(l.SessionID, l.session(texts))
	}
}

func (l *truthLine) session(texts interner) trueSession {
	t := trueSession{
		identity: identity{
			farm: texts.text(l.FarmID), fleet: texts.text(l.FleetID), worker: texts.text(l.WorkerID),
			queue: texts.text(l.QueueID), job: texts.text(l.JobID), startedAt: instantOf(l.StartedAt),
		},
		forgottenAt: optional(l.ForgottenAt), workerDeleted: optional(l.WorkerDeleted),
		listed: optional(l.Listed), incompleteUntil: optional(l.IncompleteUntil), completeListings: l.CompleteListings,
	}
	for _, one := range l.Listings {
		t.listings = append(t.listings, listing{key: texts.text(one.By), begin: instantOf(one.Begun), end: instantOf(one.At)})
	}
	if l.Forgotten && t.forgottenAt == 0 {
		t.forgottenAt = 1 // at an unknown time, long ago
	}
	for _, s := range l.States {
		one := trueState{shown: instantOf(s.Shown), state: state{status: texts.text(s.LifecycleStatus), endedAt: optional(s.EndedAt)}}
		if s.TargetLifecycleStatus != nil {
			one.target = texts.text(*s.TargetLifecycleStatus)
		}
		t.states = append(t.states, one)
	}
	return t
}

func optional(t *time.Time) instant {
	if t == nil {
		return 0
	}
	return instantOf(*t)
}

// interner keeps one copy of each text, as a million events repeat few of them.
type interner map[string]string

func (i interner) text(s string) string {
	if kept, ok := i[s]; ok {
		return kept
	}
	i[s] = s
	return s
}
