package poller

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"farmwire/diff"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Config says what to poll and how fast. Zero fields have the defaults.
type Config struct {
	Farms, Fleets []string                  // identifiers of those to poll; by default all that can be listed
	Rate          float64                   // requests a second of all instances together, counting every attempt; default 10
	Staleness     time.Duration             // how old the last listing of a worker may become if the budget suffices; default 15 s
	Discovery     time.Duration             // how often farms, fleets and workers are listed; default 30 s
	Shards        int                       // how many there are; default 1
	Shard         func(workerID string) int // the shard of a worker, from 0; by default 0 for all
}

func (c Config) withDefaults() Config {
	c.Rate = cmp.Or(c.Rate, 10)
	c.Staleness = cmp.Or(c.Staleness, 15*time.Second)
	c.Discovery = cmp.Or(c.Discovery, 30*time.Second)
	c.Shards = cmp.Or(c.Shards, 1)
	if c.Shard == nil {
		c.Shard = func(string) int { return 0 }
	}
	return c
}

// Poller observes the sessions of workers. Its methods may be called from any goroutine, before, during and
// after Run. Only Run blocks.
type Poller struct {
	config  Config
	service *service
	found   atomic.Pointer[Found]
	state   atomic.Pointer[State]
	wake    chan struct{} // tells the loop that there are commands

	mu       sync.Mutex
	commands []command
	hasEnded bool // Run has returned
}

// command is what the loop is to do. One of its fields is set.
type command struct {
	own    *ownership
	disown *int // a shard
	commit *diff.Snapshot
}

// ownership is a shard that is owned from now on.
type ownership struct {
	shard     int
	snapshots []diff.Snapshot
	box       *outbox
}

// New makes a Poller. The client should come from NewClient; its own retries are not used. The registry may
// be nil; otherwise it must not have the metrics of another Poller.
func New(client *deadline.Client, config Config, log *zap.Logger, registry prometheus.Registerer) *Poller {
	config = config.withDefaults()
	p := &Poller{
		config: config,
		service: &service{
			client:   client,
			budget:   newBudget(config.Rate, time.Now()),
			metrics:  newMetrics(registry),
			log:      log,
			answered: make(chan struct{}),
		},
		wake: make(chan struct{}, 1),
	}
	p.found.Store(newDirectory().snapshot())
	p.state.Store(&State{})
	return p
}

// Own starts polling a shard's workers: those of the snapshots and those that discovery finds. A shard that
// is owned already is disowned first.
//
// The channel delivers what is observed of the workers. After an observation of a worker there is no other
// until Committed was called for it. The channel is closed by Disown and when Run returns. The snapshots
// must be restored, or result from observations of this Poller, because ticks are counted by the Poller.
func (p *Poller) Own(shard int, snapshots []diff.Snapshot) <-chan diff.Observation {
	box := newOutbox()
	if !p.command(command{own: &ownership{shard: shard, snapshots: snapshots, box: box}}) {
		close(box.out)
	}
	return box.out
}

// Disown stops polling a shard's workers. It cancels calls in flight, and drops observations that were not
// received yet.
func (p *Poller) Disown(shard int) {
	p.command(command{disown: &shard})
}

// Committed tells the Poller that the observation of a worker is committed, even if it made no changes. The
// snapshot is what is known of the worker now. The worker may then be asked about again.
func (p *Poller) Committed(s diff.Snapshot) {
	p.command(command{commit: &s})
}

// Found returns what discovery has found so far.
func (p *Poller) Found() Found { return *p.found.Load() }

// State returns what the Poller knows of its own work. Its counts are of now. The rest is at most a few
// seconds old, and final once Run has returned.
func (p *Poller) State() State {
	s := *p.state.Load()
	s.Operations = p.service.operations.all()
	return s
}

// Answered returns a channel that is closed when Deadline Cloud has answered usably for the first time,
// which means successfully and with the fields that the API requires. Until then the Poller sends the first
// request of discovery about once a second, even while it owns no shard.
func (p *Poller) Answered() <-chan struct{} { return p.service.answered }

// command passes a command to the loop. It reports false if the loop has ended. The number of commands that
// wait is bounded, by one for each worker and some for each shard that changes hands.
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
// called only once. That the API refuses something is not an error of Run; see State. The only error is that
// there is no client.
func (p *Poller) Run(ctx context.Context) error {
	if p.service.client == nil {
		return errors.New("poller: no client")
	}
	ctx, cancel := context.WithCancel(ctx)
	l := newLoop(ctx, p, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
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

// end refuses all further commands, and closes the channels that waiting commands have returned.
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
