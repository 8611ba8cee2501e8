// Package receiver is an HTTP server to which events are delivered. It notes every request, and fails at random. It shares no
// code with Farmwire.
package receiver

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"farmwire/cmd/farmwire-chaos/receipts"
)

// Config says how to receive.
type Config struct {
	Seed     uint64
	Attempts int           // after so many refusals an event is given up
	Hang     time.Duration // how long a request hangs that gets no answer; longer than the sender waits
	Key      []byte        // verifies the signatures of requests to /webhook/; those to the other paths have none
}

// Receiver is an [http.Handler]. The path of a request is /<group>/<sender>, with any sender. Its methods may be called from any
// goroutine.
type Receiver struct {
	cfg Config

	mu       sync.Mutex
	rng      *rand.Rand
	calm     bool
	now      receipts.Time
	states   map[string]*state // by group and event
	requests map[string][]receipts.Request
	open     map[string]int // requests under way, by sender
	served   map[string]int // requests that have come, by sender
}

// state is what has happened with an event so far.
type state struct {
	fate           fate
	noes, troubles int
}

// New returns a receiver to which nothing was delivered.
func New(cfg Config) *Receiver {
	return &Receiver{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 11)), states: map[string]*state{}, requests: map[string][]receipts.Request{},
		open: map[string]int{}, served: map[string]int{},
	}
}

// Calm ends the failures. Only what is refused is still refused, and as often as before.
func (r *Receiver) Calm() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = true
}

// Now is the present moment.
func (r *Receiver) Now() receipts.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tick()
}

func (r *Receiver) tick() receipts.Time { r.now++; return r.now }

// Requests returns the requests to a group so far whose answers were decided, in the order of the answers.
func (r *Receiver) Requests(group string) []receipts.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]receipts.Request(nil), r.requests[group]...)
}

// Refuses reports whether an event of a group is always refused.
func (r *Receiver) Refuses(group, id string) bool { return r.fateOf(group, id).refuses }

// Served returns how many requests of a sender have come, and how many of them have no answer yet.
func (r *Receiver) Served(sender string) (all, open int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served[sender], r.open[sender]
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(rw http.ResponseWriter, request *http.Request) {
	group, sender, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	arrived := r.Now()
	body, err := io.ReadAll(io.LimitReader(request.Body, 1<<20))
	if err != nil {
		return // the sender was killed; it has delivered nothing
	}
	d := r.take(group, sender, arrived, request.Header, body)
	defer r.ended(sender)
	switch {
	case d.hang:
		select {
		case <-request.Context().Done():
		case <-time.After(r.cfg.Hang):
		}
		panic(http.ErrAbortHandler)
	case d.cut:
		panic(http.ErrAbortHandler)
	}
	if d.retryAfter != "" {
		rw.Header().Set("Retry-After", d.retryAfter)
	}
	if d.status == http.StatusFound {
		rw.Header().Set("Location", "/webhook/redirected")
	}
	rw.WriteHeader(d.status)
}

// take notes a request and decides what to do with it.
func (r *Receiver) take(group, sender string, arrived receipts.Time, header http.Header, body []byte) deed {
	id, content, err := read(header, body)
	noted := receipts.Request{ID: id, Sender: sender, Content: content, Arrived: arrived}
	switch {
	case err != nil:
		noted.Problem = fmt.Sprintf("it cannot be read: %v", err)
	case group == "webhook":
		noted.Problem = verify(header, r.cfg.Key, body, id)
	case header.Get("Farmwire-Id") != id || !bytes.HasSuffix(body, []byte("\n")):
		noted.Problem = "the id in the environment is " + header.Get("Farmwire-Id") + ", or stdin does not end with the line"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.states[group+" "+id]
	if e == nil {
		e = &state{fate: r.fateOf(group, id)}
		r.states[group+" "+id] = e
	}
	d := r.decide(e)
	noted.Answered, noted.Answer = r.tick(), d.answer
	r.requests[group] = append(r.requests[group], noted)
	r.open[sender]++
	r.served[sender]++
	return d
}

func (r *Receiver) ended(sender string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[sender]--
}
