package farmtest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// SessionTruth is what happened to a session. The truth file has one line of it for each session.
type SessionTruth struct {
	FarmID    string       `json:"farmId"`
	FleetID   string       `json:"fleetId"`
	WorkerID  string       `json:"workerId"`
	QueueID   string       `json:"queueId"`
	JobID     string       `json:"jobId"`
	SessionID string       `json:"sessionId"`
	StartedAt time.Time    `json:"startedAt"` // the service's clock
	EndedAt   *time.Time   `json:"endedAt"`   // the service's clock; nil while no answer can show the end
	Forgotten bool         `json:"forgotten"` // the service does not know it any more
	States    []StateTruth `json:"states"`    // those that an answer could show by now, or before it was forgotten

	// Times in our clock; nil if it has not happened.
	ForgottenAt     *time.Time `json:"forgottenAt"`
	WorkerDeleted   *time.Time `json:"workerDeleted"`
	Listed          *time.Time `json:"listed"`          // when an answer, of any operation, first showed it
	IncompleteUntil *time.Time `json:"incompleteUntil"` // when an answer last showed less than the truth

	// CompleteListings is the number of complete listings of its worker that showed it: every page of
	// ListSessionsForWorker was answered, and the last one without an error or a damaged body. Listings has the first ten
	// of them.
	CompleteListings int64          `json:"completeListings"`
	Listings         []ListingTruth `json:"listings"`
}

// ListingTruth is a complete listing. Its times are in our clock.
type ListingTruth struct {
	By    string    `json:"by"`    // access key id that the request for the last page was signed with
	Begun time.Time `json:"begun"` // when the first page was answered
	At    time.Time `json:"at"`    // when the last page was sent
}

// StateTruth is a state of a session. Answers show it from Shown until the Shown of the next state.
type StateTruth struct {
	LifecycleStatus       string     `json:"lifecycleStatus"`
	TargetLifecycleStatus *string    `json:"targetLifecycleStatus"`
	EndedAt               *time.Time `json:"endedAt"`
	At                    time.Time  `json:"at"`    // of the change, in the service's clock
	Shown                 time.Time  `json:"shown"` // the first instant at which an answer could show it, in our clock
}

// FarmTruth is the last line of the truth file, under the member "farm".
type FarmTruth struct {
	Seed          uint64              `json:"seed"`
	Quotas        map[Operation]Quota `json:"quotas"`
	Faults        []Fault             `json:"faults"`
	StaleReads    bool                `json:"staleReads"` // StaleEnds or StaleStatuses
	StaleEnds     bool                `json:"staleEnds"`  // there was such a rule for sessions at some time, as for the next two
	StaleStatuses bool                `json:"staleStatuses"`
	Missing       bool                `json:"missing"` // listings could hide sessions: by Missing or PagesShift
	Start         time.Time           `json:"start"`   // of the record, in our clock
	End           time.Time           `json:"end"`     // of the record, in our clock
	Skew          time.Duration       `json:"skew"`    // of the service's clock against ours, in nanoseconds
}

// record keeps the forgotten sessions: in the truth file if there is one, otherwise in memory.
type record struct {
	forgotten []*Session
	file      *os.File
	buffer    *bufio.Writer
	err       error
}

func (r *record) open(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create truth file: %w", err)
	}
	r.file, r.buffer = file, bufio.NewWriterSize(file, 1<<16)
	return nil
}

func (r *record) keep(c *Cloud, s *Session) {
	if r.buffer == nil {
		r.forgotten = append(r.forgotten, s)
		return
	}
	if err := writeSession(r.buffer, c, s); r.err == nil {
		r.err = err
	}
}

// close writes the remaining sessions and the farm, and closes the file. Without a file it does nothing.
func (r *record) close(c *Cloud) error {
	if r.buffer == nil {
		return nil
	}
	err := r.err
	if err == nil {
		err = c.writeTruth(r.buffer)
	}
	if err == nil {
		err = r.buffer.Flush()
	}
	if closing := r.file.Close(); err == nil {
		err = closing
	}
	r.buffer, r.file = nil, nil
	if err != nil {
		return fmt.Errorf("write truth file: %w", err)
	}
	return nil
}

// Truth returns what has happened to every session until now, in the order of their creation. It leaves out sessions
// that the truth file has already.
func (c *Cloud) Truth() []SessionTruth {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	var all []SessionTruth
	for _, s := range c.all() {
		if t, ok := s.truth(now); ok {
			all = append(all, t)
		}
	}
	return all
}

// Truth returns what has happened to the session until now.
func (s *Session) Truth() SessionTruth {
	c := s.worker.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _ := s.truth(c.clock())
	return t
}

// WriteTruth writes the truth until now as JSON lines. Each line is a session, and the last one the farm.
func (c *Cloud) WriteTruth(w io.Writer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.writeTruth(w)
}

func (c *Cloud) writeTruth(w io.Writer) error {
	for _, s := range c.all() {
		if err := writeSession(w, c, s); err != nil {
			return err
		}
	}
	return json.NewEncoder(w).Encode(map[string]FarmTruth{"farm": {
		Seed: c.seed, Quotas: c.quotas, Faults: c.faults.list(),
		StaleReads: c.faults.ever(StaleEnds, StaleStatuses),
		StaleEnds:  c.faults.ever(StaleEnds), StaleStatuses: c.faults.ever(StaleStatuses),
		Missing: c.faults.ever(Missing, PagesShift),
		Start:   c.start.UTC(), End: c.clock().UTC(), Skew: c.skew,
	}})
}

// all returns the sessions in memory, in the order of their creation.
func (c *Cloud) all() []*Session {
	all := slices.Clone(c.record.forgotten)
	for _, s := range c.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Session) int { return cmp.Compare(a.sequence, b.sequence) })
	return all
}

func writeSession(w io.Writer, c *Cloud, s *Session) error {
	t, ok := s.truth(c.clock())
	if !ok {
		return nil
	}
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// truth returns what answers could show of the session until now. It returns false if that is nothing.
func (s *Session) truth(now time.Time) (SessionTruth, bool) {
	if !s.forgottenAt.IsZero() {
		now = s.forgottenAt
	}
	t := SessionTruth{
		FarmID: s.worker.fleet.farm.id, FleetID: s.worker.fleet.id, WorkerID: s.worker.id,
		QueueID: s.job.queueID, JobID: s.job.id, SessionID: s.id,
		StartedAt: s.startedAt, Forgotten: !s.forgottenAt.IsZero(),
		ForgottenAt: optional(s.forgottenAt), WorkerDeleted: optional(s.worker.deletedAt),
		Listed: fromNanos(s.firstShown.Load()), IncompleteUntil: fromNanos(s.incompleteUntil.Load()),
		CompleteListings: s.completeListings, Listings: slices.Clone(s.listings),
	}
	for i := range s.states {
		st := &s.states[i]
		if st.shown.After(now) {
			break
		}
		if st.ended() {
			t.EndedAt = optional(s.endedAt)
		}
		one := StateTruth{LifecycleStatus: st.status, EndedAt: optional(st.endedAt), At: st.at, Shown: st.shown.UTC()}
		if st.target != "" {
			one.TargetLifecycleStatus = &st.target
		}
		t.States = append(t.States, one)
	}
	return t, len(t.States) > 0
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func fromNanos(n int64) *time.Time {
	if n == 0 {
		return nil
	}
	return optional(time.Unix(0, n))
}
