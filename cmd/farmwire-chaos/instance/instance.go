// Package instance runs `farmwire run` as processes of their own, which are started again whenever they end, as a
// supervisor would.
package instance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"farmwire/publisher/kafkatest/process"
)

// Instance is one `farmwire run`. It has many lives: processes that run one after the other.
type Instance struct {
	Number int

	cfg     Config
	address string
	release func() // gives the address back
	log     *os.File
	done    chan struct{} // closed when the instance is down and no process runs
	reading sync.RWMutex  // held for writing while nobody reads the log

	mu        sync.Mutex
	process   *process.Process // nil: none runs
	started   time.Time        // the process
	life      int              // number of processes so far
	ending    func()           // calls lifeEnding at most once for the process
	down      bool             // it is not started again
	ownEnds   int              // how often it ended by itself
	quickEnds int              // ... in a row within a second of its start
	lastLine  string           // of its log
	warnings  []Line           // of its log, the newest
	stops     []Stop           // graceful ones
	stopping  time.Time        // when a graceful stop was requested; zero if none was
}

// Stop is a graceful stop of a process.
type Stop struct {
	Key  string        // access key id of the process
	Took time.Duration // from the signal to the end of the process
	Code int           // exit code; -1 if it had to be killed
}

// ErrBroken means that farmwire does not even start.
var ErrBroken = errors.New("farmwire run ends as soon as it is started")

// Start starts an instance. The caller must End it.
func Start(cfg Config) (*Instance, error) {
	address, release, err := reserveAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(cfg.LogFile)
	if err != nil {
		release()
		return nil, err
	}
	i := &Instance{Number: cfg.Number, cfg: cfg, address: address, release: release, log: log, done: make(chan struct{})}
	go i.live()
	return i, nil
}

// live starts processes until the instance is down.
func (i *Instance) live() {
	defer close(i.done)
	defer i.log.Close()
	defer i.release()
	for {
		p, logRead, err := i.start()
		if err != nil {
			i.note([]byte(err.Error()))
			return
		}
		if p == nil {
			return
		}
		<-p.Ended()
		n := i.ended(p.State())
		awaitRest(logRead)
		if n > 0 {
			time.Sleep(min(time.Duration(n)*100*time.Millisecond, time.Second))
		}
	}
}

// awaitRest waits until the log of a process that has ended was read. It does not wait for long, because the log may be
// blocked.
func awaitRest(logRead <-chan struct{}) {
	select {
	case <-logRead:
	case <-time.After(time.Second):
	}
}

// start starts a process. It returns nil if the instance is down. The channel is closed when the log of the process was
// read to its end.
func (i *Instance) start() (*process.Process, <-chan struct{}, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		return nil, nil, nil
	}
	i.life++
	key := KeyOf(i.Number, i.life)
	i.ending = sync.OnceFunc(func() {
		if i.cfg.LifeEnding != nil {
			i.cfg.LifeEnding(key)
		}
	})
	p, logRead, err := i.startProcess(key)
	if err != nil {
		return nil, nil, fmt.Errorf("start instance %d: %w", i.Number, err)
	}
	i.process, i.started = p, time.Now()
	return p, logRead, nil
}

// startProcess starts a process whose log is read through a pipe of its own, so that its end is noticed even if nobody
// reads its log.
func (i *Instance) startProcess(key string) (*process.Process, <-chan struct{}, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer to.Close()
	cmd := exec.Command(i.cfg.Binary, i.cfg.args(i.address, key)...)
	cmd.Env, cmd.Stderr = i.cfg.env(key), to
	p, err := process.Start(cmd)
	if err != nil {
		from.Close()
		return nil, nil, err
	}
	logRead := make(chan struct{})
	go func() {
		defer close(logRead)
		defer from.Close()
		i.readLog(from)
	}()
	return p, logRead, nil
}

func (i *Instance) note(line []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lastLine = string(line)
	i.noteWarning(i.lastLine)
	fmt.Fprintln(i.log, i.lastLine)
}

// ended notes how the process ended, and returns how often in a row it did so by itself.
func (i *Instance) ended(state *os.ProcessState) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.process = nil
	i.ending()
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case !i.stopping.IsZero():
		i.stops = append(i.stops, Stop{Key: KeyOf(i.Number, i.life), Took: time.Since(i.stopping), Code: state.ExitCode()})
		i.stopping = time.Time{}
		return 0
	case status.Signaled():
		i.quickEnds = 0
		return 0
	}
	i.ownEnds++
	if i.quickEnds++; time.Since(i.started) > time.Second {
		i.quickEnds = 1
	}
	return i.quickEnds
}

// Kill sends SIGKILL to the process. It returns false if none runs. If a graceful stop was requested before, it is none now.
func (i *Instance) Kill() bool {
	return i.signal(func(p *process.Process) error {
		i.ending()
		i.stopping = time.Time{}
		return p.Kill()
	})
}

// Pause sends SIGSTOP to the process. It returns false if none runs.
func (i *Instance) Pause() bool { return i.signal((*process.Process).Pause) }

// Resume sends SIGCONT to the process. It returns false if none runs.
func (i *Instance) Resume() bool { return i.signal((*process.Process).Resume) }

// Restart asks the process to stop gracefully. Another one follows.
func (i *Instance) Restart() { i.terminate() }

// Stop asks the process to stop gracefully. None follows. [Instance.Done] says when it has ended.
func (i *Instance) Stop() {
	i.mu.Lock()
	i.down = true
	i.mu.Unlock()
	i.terminate()
}

func (i *Instance) terminate() {
	i.signal(func(p *process.Process) error {
		i.ending()
		err := p.Terminate()
		if err == nil {
			i.stopping = time.Now()
		}
		return err
	})
}

// signal does something to the process and reports whether it worked.
func (i *Instance) signal(f func(*process.Process) error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process != nil && f(i.process) == nil
}

// End kills the process and waits for its end. None follows.
func (i *Instance) End() {
	i.mu.Lock()
	i.down = true
	if i.process != nil {
		_ = i.process.Kill() // fails only if it has ended by itself
	}
	i.mu.Unlock()
	<-i.done
}

// Done is closed when no process runs any more and none follows.
func (i *Instance) Done() <-chan struct{} { return i.done }

// Key is the access key id of the present process.
func (i *Instance) Key() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return KeyOf(i.Number, i.life)
}

// Started is when the present process was started, or the last one if none runs.
func (i *Instance) Started() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.started
}

// Address is where the process serves its probes and metrics (host:port).
func (i *Instance) Address() string { return i.address }

// LastLine is the last line of the instance's log.
func (i *Instance) LastLine() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.lastLine
}

// Ends tells how often processes ended by themselves, and the exit codes of graceful stops.
func (i *Instance) Ends() (byThemselves int, exitCodes []int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.stops {
		exitCodes = append(exitCodes, s.Code)
	}
	return i.ownEnds, exitCodes
}

// Stops tells the graceful stops, the oldest first.
func (i *Instance) Stops() []Stop {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.stops)
}

// Broken returns [ErrBroken] if farmwire cannot be started, or ends again and again within a second.
func (i *Instance) Broken() error {
	const most = 40
	i.mu.Lock()
	defer i.mu.Unlock()
	gone := false
	select {
	case <-i.done:
		gone = !i.down
	default:
	}
	if gone || i.quickEnds > most {
		return fmt.Errorf("%w: %s", ErrBroken, i.lastLine)
	}
	return nil
}
