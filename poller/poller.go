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

// Config says what to poll and how fast.
type Config struct {
	Farms, Fleets []string      // identifiers; none: all that can be listed
	Rate          float64       // requests a second of all instances together, every attempt counted; default 10
	Staleness     time.Duration // the longest that a worker goes unlisted, budget allowing; default 15 s
	Discovery     time.Duration // from one look for farms, fleets and workers to the next; default 30 s
	Shards        int           // how many there are; default 1
	Shard         func(workerID string) int
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

// Poller watches workers and hands out what it observes of them. Its methods may be called
// from any goroutine, before, during and after Run, and do not wait.
type Poller struct {
	config  Config
	service *service
	found   atomic.Pointer[Found]
	state   atomic.Pointer[State]
	wake    chan struct{} // one signal is enough for any number of commands

	mu       sync.Mutex
	commands []command
	over     bool // Run has returned
}

// command is what the loop is to do: own, disown or take note of a commit.
type command struct {
	own      *ownership
	disown   int
	commit   *diff.Snapshot
	isDisown bool
}

type ownership struct {
	shard     int
	snapshots []diff.Snapshot
	box       *outbox
}

// New makes a Poller. The client should be one of NewClient's; its own retries are not used.
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

// Own starts polling a shard's workers: those of the snapshots and those that discovery
// finds. The channel gives what is observed of them, for each worker one observation and no
// other until Committed was called for it. It is closed by Disown and at the end of Run.
// A shard that is owned already is disowned first. Snapshots are restored ones, or were made
// of what this Poller observed: their ticks are of its counter.
func (p *Poller) Own(shard int, snapshots []diff.Snapshot) <-chan diff.Observation {
	box := newOutbox()
	if !p.command(command{own: &ownership{shard: shard, snapshots: snapshots, box: box}}) {
		close(box.out)
	}
	return box.out
}

// Disown stops polling a shard's workers. Calls under way are given up, and what they
// answer is dropped; so are observations that were not received yet.
func (p *Poller) Disown(shard int) {
	p.command(command{disown: shard, isDisown: true})
}

// Committed says that the observation of the snapshot's worker is committed, changes or
// none, and what is known of the worker now. It may then be asked again.
func (p *Poller) Committed(s diff.Snapshot) {
	p.command(command{commit: &s})
}

// Found is what discovery has found so far.
func (p *Poller) Found() Found { return *p.found.Load() }

// State returns what the Poller knows of its own work. Its Operations are of now. The rest is at most a
// few seconds old, and final once Run has returned.
func (p *Poller) State() State {
	s := *p.state.Load()
	s.Operations = p.service.operations.all()
	return s
}

// Answered is closed when Deadline Cloud has answered usably for the first time: whatever was
// asked, with success and with what such an answer must hold. Until then the Poller asks also
// while it owns no shard: about once a second, for what discovery begins with.
func (p *Poller) Answered() <-chan struct{} { return p.service.answered }

// command hands the loop something to do. It is false if there will be no loop any more.
// What waits is bounded: a command per shard that changes hands, and one per worker.
func (p *Poller) command(c command) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return false
	}
	p.commands = append(p.commands, c)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return true
}

// Run polls until the context ends, and returns when everything that it started has ended.
// It is called once. What the API refuses is no error of Run: see State.
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

// take gives the commands that wait.
func (p *Poller) take() []command {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.commands
	p.commands = nil
	return c
}

// end refuses commands from now on, and lets nobody wait for what they asked for.
func (p *Poller) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
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
