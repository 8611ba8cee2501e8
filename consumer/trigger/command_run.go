package trigger

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// commandRun is one run of a command.
type commandRun struct {
	cmd    *exec.Cmd     // its ProcessState is set before exited is closed, and stays nil if it cannot be known
	exited chan struct{} // closed when the process was waited for

	pipes      []io.Closer   // our ends of stdin, stdout and stderr
	copied     chan struct{} // closed when nothing is written to or read from the pipes any more
	abandoned  chan struct{} // closed when writers that block are waited for no longer
	stderrTail stderrTail    // to be read when copied is closed
}

// commandEnding says why a command ended.
type commandEnding int

const (
	endedByItself commandEnding = iota // by exiting, or by a signal that this package did not send
	endedByTimeout
	endedByStop // because the context ended
)

// pipeRoom is how many bytes every pipe takes before anybody reads: one page, if the user has very many pipes.
const pipeRoom = 4096

// start starts the command. It does not use Cmd.Wait, which waits for the process and for the pipes at once: after it was
// waited for, the number of the process may belong to another and must not be sent a signal.
//
// An event that fits into any pipe is there before the command is. Otherwise the command would read nothing if this process
// was killed between the two, and could take that for an event.
func (c *Command) start(input []byte, variables []string) (*commandRun, error) {
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Env = append(withoutOwnVariables(os.Environ()), variables...)
	cmd.SysProcAttr = processAttributes()
	stdin, stdinErr := cmd.StdinPipe()
	stdout, stdoutErr := cmd.StdoutPipe()
	stderr, stderrErr := cmd.StderrPipe()
	// When Err is set, Start closes the pipes that were opened and returns it.
	cmd.Err = errors.Join(cmd.Err, stdinErr, stdoutErr, stderrErr)
	feed := func() {
		_, _ = stdin.Write(input) // fails if the command does not read it, which it need not
		_ = stdin.Close()
	}
	early := cmd.Err == nil && len(input) <= pipeRoom
	if early {
		feed()
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &commandRun{
		cmd:       cmd,
		exited:    make(chan struct{}),
		pipes:     []io.Closer{stdin, stdout, stderr},
		copied:    make(chan struct{}),
		abandoned: make(chan struct{}),
	}
	go func() {
		defer close(r.exited)
		cmd.ProcessState, _ = cmd.Process.Wait()
	}()
	var copying sync.WaitGroup
	if !early {
		copying.Go(feed)
	}
	copying.Go(func() { copyLines(c.stdout, stdout, r.abandoned) })
	copying.Go(func() { copyLines(c.stderr, io.TeeReader(stderr, &r.stderrTail), r.abandoned) })
	go func() {
		copying.Wait()
		close(r.copied)
	}()
	return r, nil
}

// wait waits until the process has ended, or must be ended.
func (r *commandRun) wait(ctx context.Context, timeout time.Duration) commandEnding {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	ending := endedByItself
	select {
	case <-r.exited:
	case <-ctx.Done():
		ending = endedByStop
	case <-timer.C:
		ending = endedByTimeout
	}
	if isClosed(r.exited) { // both may have happened
		return endedByItself
	}
	return ending
}

// end ends the process and all of its group. It waits no longer than twice the delay: a process that hangs in the kernel
// does not even end when it is killed, but it does not go on either.
func (r *commandRun) end(delay time.Duration) {
	const interval = 20 * time.Millisecond // so short that the number of a group that has ended is not in use again
	terminateGroup(r.cmd.Process)
	for deadline := time.Now().Add(delay); r.isAlive() && time.Now().Before(deadline); {
		time.Sleep(min(interval, time.Until(deadline)))
	}
	if r.isAlive() {
		killGroup(r.cmd.Process)
	}
	waitFor(r.exited, delay)
}

// isAlive reports whether the process or another of its group has not ended.
func (r *commandRun) isAlive() bool { return !isClosed(r.exited) || groupExists(r.cmd.Process) }

// closePipes waits until the pipes have been read to their ends, but not for too long, and closes them.
func (r *commandRun) closePipes(delay time.Duration) {
	read := waitFor(r.copied, delay)
	for _, pipe := range r.pipes {
		_ = pipe.Close()
	}
	if read || waitFor(r.copied, delay) {
		return
	}
	close(r.abandoned)
	<-r.copied
}

// waitFor waits until a channel is closed, and reports whether it was closed in time.
func waitFor(closed <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
		return true
	case <-timer.C:
		return false
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
