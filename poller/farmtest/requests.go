package farmtest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// RequestTruth is a request and what its answer showed. The request file has one line of it for each request, in the order in
// which they ended. All times are in our clock.
type RequestTruth struct {
	Operation Operation  `json:"operation"`
	By        string     `json:"by"` // access key id that the request was signed with
	FarmID    string     `json:"farmId,omitempty"`
	FleetID   string     `json:"fleetId,omitempty"`
	WorkerID  string     `json:"workerId,omitempty"`
	Arrived   time.Time  `json:"arrived"`
	Shown     *time.Time `json:"shown"` // the instant that the answer shows; nil if nothing was shown
	Done      time.Time  `json:"done"`  // just before the answer was written
	Outcome   string     `json:"outcome"`
	Damaged   bool       `json:"damaged,omitempty"`  // a client must discard the page, or a part of the batch
	Begun     *time.Time `json:"begun,omitempty"`    // of a listing: when its first page was answered
	Complete  bool       `json:"complete,omitempty"` // of a listing: this was the last page
	IDs       []string   `json:"ids,omitempty"`      // of the farms, fleets, workers or sessions that the answer shows
}

// WorkerTruth is when a worker existed. The request file has one line of it for each worker, after all requests. The times are
// in our clock.
type WorkerTruth struct {
	FarmID   string     `json:"farmId"`
	FleetID  string     `json:"fleetId"`
	WorkerID string     `json:"workerId"`
	Created  time.Time  `json:"created"`
	Deleted  *time.Time `json:"deleted"`
}

// requestFile keeps the requests. Its methods may be called from any goroutine.
type requestFile struct {
	mu     sync.Mutex
	file   *os.File
	buffer *bufio.Writer
	lines  *json.Encoder
	err    error
}

func openRequestFile(path string) (*requestFile, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create request file: %w", err)
	}
	buffer := bufio.NewWriterSize(file, 1<<16)
	return &requestFile{file: file, buffer: buffer, lines: json.NewEncoder(buffer)}, nil
}

func (f *requestFile) write(line any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.lines.Encode(line)
	}
}

func (f *requestFile) close(workers []*Worker) error {
	for _, w := range workers {
		f.write(WorkerTruth{
			FarmID: w.fleet.farm.id, FleetID: w.fleet.id, WorkerID: w.id,
			Created: w.addedAt.UTC(), Deleted: optional(w.deletedAt),
		})
	}
	if err := errors.Join(f.err, f.buffer.Flush(), f.file.Close()); err != nil {
		return fmt.Errorf("write request file: %w", err)
	}
	return nil
}

// requestTruth returns what a call was and what its answer showed.
func (x *exchange) requestTruth() RequestTruth {
	r := RequestTruth{
		Operation: x.call.Operation, By: x.req.caller, FarmID: x.call.FarmID, FleetID: x.call.FleetID, WorkerID: x.call.WorkerID,
		Arrived: x.call.Arrived.UTC(), Done: x.call.Done.UTC(), Outcome: x.call.Outcome,
	}
	if a := x.answer; a != nil && r.Outcome == OutcomeOK {
		r.Shown, r.Damaged, r.Complete, r.IDs = optional(a.instant), a.damaged, a.complete, a.ids
		if x.req.operation.isListing() {
			r.Begun = optional(a.listingBegan)
		}
	}
	return r
}
