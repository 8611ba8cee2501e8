package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// instance is one `farmwire run`, as a process of its own that is started again whenever it ends.
type instance struct {
	number int
	binary string
	args   []string
	env    []string
	listen string // address of its probes
	log    *os.File
	owners *owners
	harms  *harms

	mu      sync.Mutex
	process *os.Process // nil: none runs
	begun   time.Time
	life    int    // the processes are counted
	dead    func() // notes once that the process lives no more
	down    bool   // it is not to be started again
	alone   int    // how often it ended by itself
	quick   int    // ... in a row within a second of its start
	last    string // what it said last
	graces  []int  // exit codes of graceful stops
	asked   bool   // a graceful stop was asked for

	done chan struct{} // closed when it is down and no process runs
}

// errBroken is an instance that does not even start.
var errBroken = errors.New("farmwire run ends as soon as it is started")

// live starts the process again and again until the instance is down.
func (i *instance) live() {
	// The kernel sends the parent-death signal when this thread ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(i.done)
	for {
		cmd, lines, err := i.start()
		if err != nil {
			i.note(err.Error())
			return
		}
		if cmd == nil {
			return
		}
		i.read(lines)
		_ = cmd.Wait() // how it ended is looked at by ended
		if n := i.ended(cmd.ProcessState); n > 0 {
			time.Sleep(min(time.Duration(n)*100*time.Millisecond, time.Second)) // as a supervisor would
		}
	}
}

// start starts the process; nil: the instance is down.
func (i *instance) start() (*exec.Cmd, io.ReadCloser, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		return nil, nil, nil
	}
	cmd := exec.Command(i.binary, i.args...)
	i.life++
	key := keyOf(i.number, i.life)
	i.dead = sync.OnceFunc(func() { i.harms.begin("death", key) })
	cmd.Env, cmd.SysProcAttr = append(i.env, "AWS_ACCESS_KEY_ID="+key), processAttributes()
	lines, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start instance %d: %w", i.number, err)
	}
	i.process, i.begun = cmd.Process, time.Now()
	return cmd, lines, nil
}

func (i *instance) read(lines io.Reader) {
	all := bufio.NewScanner(lines)
	all.Buffer(nil, 1<<20)
	for all.Scan() {
		i.owners.line(i.number, all.Bytes())
		i.note(all.Text())
	}
	_, _ = io.Copy(io.Discard, lines) // a line that is too long must not block the process
}

func (i *instance) note(line string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last = line
	fmt.Fprintln(i.log, line)
}

// ended notes how the process ended, and returns how often in a row it did so by itself.
func (i *instance) ended(state *os.ProcessState) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.process = nil
	i.dead()
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case i.asked:
		i.asked = false
		i.graces = append(i.graces, state.ExitCode())
		return 0
	case status.Signaled():
		i.quick = 0
		return 0
	}
	i.alone++
	if i.quick++; time.Since(i.begun) > time.Second {
		i.quick = 1
	}
	return i.quick
}

// signal does something to the process, if there is one.
func (i *instance) signal(f func(*os.Process) error) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process != nil && f(i.process) == nil
}

func (i *instance) kill() bool {
	return i.signal(func(p *os.Process) error {
		i.dead()
		return p.Kill()
	})
}

// key is the access key id of the present life.
func (i *instance) key() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return keyOf(i.number, i.life)
}

// terminate asks for a graceful stop; down says that it shall stay away.
func (i *instance) terminate(down bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = i.down || down
	if i.process == nil {
		return false
	}
	i.dead()
	i.asked = i.process.Signal(syscall.SIGTERM) == nil
	return i.asked
}

// end kills the process and waits until it is gone.
func (i *instance) end() {
	i.mu.Lock()
	i.down = true
	if i.process != nil {
		_ = i.process.Kill() // it may have ended by itself
	}
	i.mu.Unlock()
	<-i.done
}

// broken says that the instance cannot live.
func (i *instance) broken() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.done:
		if !i.down {
			return fmt.Errorf("%w: %s", errBroken, i.last)
		}
	default:
	}
	if i.quick > 40 {
		return fmt.Errorf("%w: %s", errBroken, i.last)
	}
	return nil
}

// ready asks the instance whether it polls all that it ought to; the text says what is missing.
func (i *instance) ready(ctx context.Context) (bool, string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+i.listen+"/readyz", nil)
	if err != nil {
		return false, err.Error()
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err.Error()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return false, err.Error()
	}
	return answer.StatusCode == http.StatusOK, string(text)
}
