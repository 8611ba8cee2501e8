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

// SessionTruth is what truly happened to a session: a line of the truth file.
type SessionTruth struct {
	FarmID    string       `json:"farmId"`
	FleetID   string       `json:"fleetId"`
	WorkerID  string       `json:"workerId"`
	QueueID   string       `json:"queueId"`
	JobID     string       `json:"jobId"`
	SessionID string       `json:"sessionId"`
	StartedAt time.Time    `json:"startedAt"` // the service's clock
	EndedAt   *time.Time   `json:"endedAt"`   // the service's clock; nil if no answer can show the end yet
	Forgotten bool         `json:"forgotten"` // the service stopped knowing it
	States    []StateTruth `json:"states"`    // those that an answer could show until now, or until it was forgotten

	// Times of our clock; nil: it has not happened.
	ForgottenAt   *time.Time `json:"forgottenAt"`
	WorkerDeleted *time.Time `json:"workerDeleted"`
	Listed        *time.Time `json:"listed"`  // an answer first showed it
	Blurred       *time.Time `json:"blurred"` // an answer last showed less than the truth

	// WholeListings is how many listings of its worker showed it and came to their last page, whose answer was sent
	// unspoiled; Listings are the first ten of them.
	WholeListings int64          `json:"wholeListings"`
	Listings      []ListingTruth `json:"listings"`
}

// ListingTruth is a listing that came to its end. Times are ours.
type ListingTruth struct {
	By    string    `json:"by"`    // access key id of who asked for its last page
	Begun time.Time `json:"begun"` // its first page was answered
	At    time.Time `json:"at"`    // its last page was sent
}

// StateTruth is a state of a session. A state is shown from Shown to the next one's Shown.
type StateTruth struct {
	LifecycleStatus       string     `json:"lifecycleStatus"`
	TargetLifecycleStatus *string    `json:"targetLifecycleStatus"`
	EndedAt               *time.Time `json:"endedAt"`
	At                    time.Time  `json:"at"`    // the service's clock
	Shown                 time.Time  `json:"shown"` // our clock: the first instant at which an answer could show it
}

// FarmTruth is the last line of the truth file, under the member "farm".
type FarmTruth struct {
	Seed          uint64              `json:"seed"`
	Quotas        map[Operation]Quota `json:"quotas"`
	Faults        []Fault             `json:"faults"`
	StaleReads    bool                `json:"staleReads"` // one of the next two
	StaleEnds     bool                `json:"staleEnds"`
	StaleStatuses bool                `json:"staleStatuses"`
	Missing       bool                `json:"missing"` // listings hid sessions: missing ones, pages that shift
	Start         time.Time           `json:"start"`   // our clock
	End           time.Time           `json:"end"`     // our clock
	Skew          time.Duration       `json:"skew"`    // ns
}

// record keeps what was forgotten: in the truth file if there is one, else in memory.
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

// close writes the rest and closes the file; without a file it does nothing.
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

// Truth returns what truly happened to every session until now, in the order in which they were
// made. Sessions that were written to the truth file already are not among them.
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

// Truth returns what truly happened to the session until now.
func (s *Session) Truth() SessionTruth {
	c := s.worker.fleet.farm.cloud
	c.mu.Lock()
	defer c.mu.Unlock()
	t, _ := s.truth(c.clock())
	return t
}

// WriteTruth writes the truth until now as JSON lines: each session, then the farm.
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

// all returns the sessions that are in memory, in the order in which they were made.
func (c *Cloud) all() []*Session {
	all := slices.Clone(c.record.forgotten)
	for _, s := range c.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Session) int { return cmp.Compare(a.made, b.made) })
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

// truth tells the states that could be shown until now; false: there was none.
func (s *Session) truth(now time.Time) (SessionTruth, bool) {
	if !s.forgotten.IsZero() {
		now = s.forgotten
	}
	t := SessionTruth{
		FarmID: s.worker.fleet.farm.id, FleetID: s.worker.fleet.id, WorkerID: s.worker.id,
		QueueID: s.job.queueID, JobID: s.job.id, SessionID: s.id,
		StartedAt: s.startedAt, Forgotten: !s.forgotten.IsZero(),
		ForgottenAt: optional(s.forgotten), WorkerDeleted: optional(s.worker.deletedAt),
		Listed: fromNanos(s.listed.Load()), Blurred: fromNanos(s.blurred.Load()),
		WholeListings: s.whole, Listings: slices.Clone(s.listings),
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
