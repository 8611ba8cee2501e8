package trigger

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"

	"farmwire/cluster"
)

const (
	// mostHeld is how many events may be read and not done. Then nothing more is read. It bounds the memory, and what comes again
	// after a crash.
	mostHeld = 1000

	tick     = time.Second      // between two looks at what there is to commit and to report
	lagEvery = 15 * time.Second // between two requests for the ends of the partitions
)

// loop is the work of a session of a trigger. All its state belongs to the goroutine of run, and others hand it functions by do.
type loop struct {
	*Trigger
	kafka      *kgo.Client
	queue      *queue
	partitions map[place]*partition
	member     string // the name under which the group knows this instance

	calls chan func()    // see do
	want  chan struct{}  // there is room for more records
	ended chan struct{}  // closed when run has returned
	tries sync.WaitGroup // and copies to the dead-letter topic

	trying   context.Context // of the tries
	endTries context.CancelFunc
	stopping bool
	err      error     // why the session stops; nil if it was asked to
	drained  time.Time // until when a stop waits

	committing      bool  // a commit is under way
	committedAtLast bool  // the last commit of a stop has begun
	commitErr       error // of the last commit
	longestMetadata int   // that brokers accept with a commit, in bytes

	begun       time.Time
	delivered   time.Time // when an event was delivered last; zero: none was in this session
	unavailable time.Time // since when the target has been unavailable, without a delivery in between; zero: it is not
	reason      string    // why
	deadInRow   int       // events that were refused for good, without a delivery in between
	deadErr     error     // why the last copy to the dead-letter topic failed
	failing     patience  // with the errors of the group and of reading
	logged      cluster.LogLimit
}

func newLoop(t *Trigger) *loop {
	trying, endTries := context.WithCancel(context.Background())
	return &loop{
		Trigger: t, queue: newQueue(t.config.Concurrency), partitions: map[place]*partition{},
		calls: make(chan func()), want: make(chan struct{}), ended: make(chan struct{}),
		trying: trying, endTries: endTries, failing: patience{gap: errorGap}, begun: time.Now(), longestMetadata: longestMetadata,
	}
}

// do runs f in the loop, and returns when it has run. It returns false if the loop has ended, and f does not run.
func (l *loop) do(f func()) bool {
	done := make(chan struct{})
	select {
	case l.calls <- func() { defer close(done); f() }:
		<-done
		return true
	case <-l.ended:
		return false
	}
}

// run delivers events until ctx ends or the session cannot go on. Then it lets the tries end that are under way, and commits what
// is done.
func (l *loop) run(ctx context.Context) error {
	defer close(l.ended)
	defer l.endTries()
	ticker, lag := time.NewTicker(tick), time.NewTicker(lagEvery)
	defer ticker.Stop()
	defer lag.Stop()
	l.report()
	stop := ctx.Done()
	for {
		l.beginTries()
		if l.finished() {
			return l.err
		}
		want := l.want
		if l.stopping || l.queue.size >= mostHeld {
			want = nil
		}
		select {
		case f := <-l.calls:
			f()
		case want <- struct{}{}:
		case <-l.wake():
		case <-ticker.C:
			l.commitInBackground()
			l.report()
		case <-lag.C:
			go l.findEnds()
		case <-stop:
			stop = nil
			l.stop(nil)
		}
	}
}

// wake returns a channel that says when there is something to do for which nobody calls.
func (l *loop) wake() <-chan time.Time {
	next := l.queue.wake()
	if l.stopping {
		next = l.drained
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next))
}

// stop begins the end of the session. The first error counts.
func (l *loop) stop(err error) {
	if l.err == nil {
		l.err = err
	}
	if !l.stopping {
		l.stopping = true
		l.drained = time.Now().Add(l.config.Drain)
		l.log.Info("the trigger stops, and waits for what is under way", zap.Int("tries", l.queue.running))
	}
}

// beginTries begins tries while there are free slots. During a stop it ends those that take too long.
func (l *loop) beginTries() {
	if l.stopping {
		if !l.drained.IsZero() && !time.Now().Before(l.drained) {
			l.drained = time.Time{}
			l.endTries()
		}
		return
	}
	for {
		now := time.Now()
		i := l.queue.next(now)
		if i == nil {
			return
		}
		i.partition.running++
		if i.dead == "" && l.config.MaxAge > 0 && i.age(now) > l.config.MaxAge {
			i.dead = tooOld
		}
		if i.dead != "" {
			l.bury(i)
		} else {
			l.try(i, now)
		}
	}
}

// finished reports whether a stop is over: nothing is under way any more, and what is done was committed once more.
func (l *loop) finished() bool {
	if !l.stopping || l.queue.running > 0 || l.committing {
		return false
	}
	if !l.committedAtLast {
		l.committedAtLast = true
		l.commitInBackground()
	}
	return !l.committing
}
