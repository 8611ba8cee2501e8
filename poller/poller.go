package poller

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"farmwire/diff"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Config says what to poll and how fast. A field that is zero has its default.
type Config struct {
	Farms, Fleets []string                  // identifiers of the farms and fleets to poll; by default all that can be listed
	Rate          float64                   // requests a second of all instances together, counting every attempt; default 10
	Staleness     time.Duration             // how old the last listing of a worker may become if the budget suffices; default 15 s
	Discovery     time.Duration             // how often farms, fleets and workers are listed; default 30 s
	Shards        int                       // how many there are; default 1
	Shard         func(workerID string) int // the shard of a worker, from 0; by default 0 for all

	// IsReserved reports whether the caller uses a text for something else, so that no session may have it as its id. By
	// default no text is reserved.
	IsReserved func(text string) bool

	Watcher Watcher // is told of every request; by default nobody is
}

func (c Config) withDefaults() Config {
	c.Rate = cmp.Or(c.Rate, 10)
	c.Staleness = cmp.Or(c.Staleness, 15*time.Second)
	c.Discovery = cmp.Or(c.Discovery, 30*time.Second)
	c.Shards = cmp.Or(c.Shards, 1)
	if c.Shard == nil {
		c.Shard = func(string) int { return 0 }
	}
	if c.IsReserved == nil {
		c.IsReserved = func(string) bool { return false }
	}
	return c
}

// isSelected reports whether the workers of a fleet are to be polled.
func (c Config) isSelected(farm, fleet string) bool {
	return (len(c.Farms) == 0 || slices.Contains(c.Farms, farm)) && (len(c.Fleets) == 0 || slices.Contains(c.Fleets, fleet))
}

// Poller observes the sessions of workers. Its methods may be called from any goroutine, before, during and
// after Run. None of them blocks, except Run.
type Poller struct {
	config  Config
	service *service
	found   atomic.Pointer[Found]
	state   atomic.Pointer[State]
	wake    chan struct{} // tells the loop that there are commands

	farmShown chan struct{} // see FarmShown; closed by the loop

	mu       sync.Mutex
	commands []command
	hasEnded bool // Run has ended, so that no command is executed any more
}

// command is what a method of the Poller asks the loop to do. Exactly one field is set.
type command struct {
	own    *ownership
	disown *int // the number of a shard
	commit *diff.Snapshot
}

// ownership is a shard that is owned from now on, with the arguments and the result of Own.
type ownership struct {
	shard     int
	snapshots []diff.Snapshot
	box       *outbox
}

// Selects reports whether the workers of a fleet are polled.
func (p *Poller) Selects(farm, fleet string) bool { return p.config.isSelected(farm, fleet) }

// New makes a Poller. The client should come from NewClient, or have ClientOptions. The SDK's retries are
// switched off for every request. The registry may be nil. It must not have the metrics of another Poller
// already.
func New(client *deadline.Client, config Config, log *zap.Logger, registry prometheus.Registerer) *Poller {
	config = config.withDefaults()
	p := &Poller{
		config:  config,
		service: &service{client: client, metrics: newMetrics(registry), log: log},
		wake:    make(chan struct{}, 1),

		farmShown: make(chan struct{}),
	}
	p.found.Store(newDirectory().copyFound())
	p.state.Store(&State{})
	return p
}

// Own starts polling a shard's workers: those of the snapshots and those that discovery finds. A shard that
// is owned already is disowned first.
//
// The channel delivers the observations of the workers. After an observation of a worker there is no other
// until Committed was called for the worker. The channel must be received from until it is closed, which
// happens after Disown and before Run returns. The snapshots must be of workers of the shard. They must come from a
// diff.Restorer, or from observations of this Poller, because every Poller counts the ticks of diff.Exchange anew.
func (p *Poller) Own(shard int, snapshots []diff.Snapshot) <-chan diff.Observation {
	box := newOutbox()
	if !p.command(command{own: &ownership{shard: shard, snapshots: snapshots, box: box}}) {
		close(box.out)
	}
	return box.out
}

// Disown stops polling a shard's workers. No new call begins, and calls in flight are cancelled. The channel of
// Own still delivers what has arrived by then, also the pages of a listing that was cancelled, as an observation
// that proves no absence. Then it is closed. Observations that Run's end finds undelivered are dropped.
func (p *Poller) Disown(shard int) {
	p.command(command{disown: &shard})
}

// Committed tells the Poller that the observation of a worker is committed. It must be called even if the
// observation made no changes. The snapshot is what is known of the worker now. From then on the worker is
// listed and its sessions are looked up again.
func (p *Poller) Committed(s diff.Snapshot) {
	p.command(command{commit: &s})
}

// Found returns what discovery has found so far.
func (p *Poller) Found() Found { return *p.found.Load() }

// State returns what the Poller knows of its own work. Its Counts are of now, and all else is at most one second old. All is
// final once Run has returned.
func (p *Poller) State() State {
	s := *p.state.Load()
	s.Operations = p.service.operations.all()
	return s
}

// FarmShown returns a channel that is closed at the first usable answer of Deadline Cloud that shows a farm or is about
// one of the Config. A usable answer reports success and has the fields that the API requires. Until then the Poller sends
// the first request of discovery again and again, even while it owns no shard.
func (p *Poller) FarmShown() <-chan struct{} { return p.farmShown }

// command passes a command to the loop. It reports false if the loop has ended. Few commands wait at any
// time: at most one for each worker, and some for each shard that is owned or disowned.
func (p *Poller) command(c command) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hasEnded {
		return false
	}
	p.commands = append(p.commands, c)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return true
}

// Run polls until the context ends, and returns nil when everything that it started has ended. It must be
// called only once. Failures of requests are not errors of Run; State shows them. The only error is that
// there is no client.
func (p *Poller) Run(ctx context.Context) error {
	if p.service.client == nil {
		return errors.New("poller: no client")
	}
	ctx, cancel := context.WithCancel(ctx)
	l := newLoop(ctx, p)
	defer p.end()
	defer l.end()
	defer cancel()
	l.run()
	return nil
}

// take returns the commands that wait.
func (p *Poller) take() []command {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.commands
	p.commands = nil
	return c
}

// end refuses all further commands, and closes the channels of the Own commands that still wait.
func (p *Poller) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hasEnded = true
	for _, c := range p.commands {
		if c.own != nil {
			close(c.own.box.out)
		}
	}
	p.commands = nil
	last := *p.state.Load()
	last.Phase = Ended
	p.state.Store(&last)
}
