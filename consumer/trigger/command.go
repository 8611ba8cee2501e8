package trigger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	defaultCommandTimeout = 10 * time.Minute

	// commandKillDelay is how long a command that is to end may take to do so before it is killed.
	commandKillDelay = 10 * time.Second

	// commandPipeDelay is how long the pipes of a command may stay open after its end. They hold 64 KiB at most, so a writer
	// that takes longer is stuck, and a child that keeps them open longer was started to stay.
	commandPipeDelay = time.Second
)

// Command is a target that runs a program for each event, without a shell. Any number of events may be delivered at once.
//
// The program reads the event from stdin, as one line of JSON (the structured form of CloudEvents), and it need not read
// it. It also finds the event in its environment, in these variables:
//
//	FARMWIRE_ID                ce_id, the same in every try
//	FARMWIRE_CHANGE            ended, or another change
//	FARMWIRE_SEQUENCE          the number of the change, from 1
//	FARMWIRE_TIME              ce_time
//	FARMWIRE_REGION            the AWS region
//	FARMWIRE_FARM_ID           and FLEET_ID, WORKER_ID, QUEUE_ID, JOB_ID, SESSION_ID
//	FARMWIRE_LIFECYCLE_STATUS  the status of the session after the change
//	FARMWIRE_STARTED_AT        the start of the session
//	FARMWIRE_ENDED_AT          the end of the session, or empty
//	FARMWIRE_HOST_NAME         the host name of the worker, or empty
//	FARMWIRE_INFERRED          true or false
//	FARMWIRE_ATTEMPT           the number of the try, from 1
//
// Times are RFC 3339 in UTC with milliseconds. The rest of its environment is that of this process without the variables
// whose names begin with FARMWIRE_, because they hold Farmwire's own settings and secrets.
//
// Exit code 0 means Delivered, 75 (EX_TEMPFAIL of sysexits.h) means Unavailable, and any other end means Refused. The program has a process group of its own. When the time
// is up, or when the context ends, the group gets SIGTERM, and SIGKILL 10 s later. Children that leave the group escape
// this. On systems without process groups only the program itself is killed, and at once. Children that outlive a program
// which ended by itself go on, but their stdout and stderr are closed. If this process is killed, its commands go on too,
// and their events come again.
type Command struct {
	args           []string
	timeout        time.Duration
	stdout, stderr *lineSink
	killDelay      time.Duration
	pipeDelay      time.Duration
}

// CommandConfig says which command to run.
type CommandConfig struct {
	Args    []string      // the program and its arguments; the program is found as exec.LookPath does
	Timeout time.Duration // how long the command may run; 0: 10 minutes

	// Stdout and Stderr receive what the commands write there, in whole lines. A line without its end gets one, and lines
	// longer than 64 KiB become several. Errors of the writers are ignored. A writer that blocks holds up the commands
	// until their time is up; then what is left of their output is lost. nil: thrown away. The two must be different writers,
	// or one that can be called from several goroutines at once.
	Stdout, Stderr io.Writer
}

// NewCommand returns an error if the configuration is wrong, or if the program is missing or not executable.
func NewCommand(config CommandConfig) (*Command, error) {
	switch {
	case len(config.Args) == 0 || config.Args[0] == "":
		return nil, errors.New("no command is given")
	case config.Timeout < 0:
		return nil, fmt.Errorf("the time-out of the command is negative: %v", config.Timeout)
	case strings.Contains(strings.Join(config.Args, ""), "\x00"):
		return nil, errors.New("an argument of the command holds a NUL character")
	}
	if _, err := exec.LookPath(config.Args[0]); err != nil {
		return nil, fmt.Errorf("find the command: %w", err)
	}
	return &Command{
		args:      config.Args,
		timeout:   cmp.Or(config.Timeout, defaultCommandTimeout),
		stdout:    newLineSink(config.Stdout),
		stderr:    newLineSink(config.Stderr),
		killDelay: commandKillDelay,
		pipeDelay: commandPipeDelay,
	}, nil
}

// String names the program. Its arguments may hold secrets.
func (c *Command) String() string { return "command " + c.args[0] }

// Deliver runs the command for an event. A context that ends before the command means Unavailable, because nobody said no.
func (c *Command) Deliver(ctx context.Context, d Delivery) Result {
	if ctx.Err() != nil {
		return stoppedCommand()
	}
	input, err := d.Record.MarshalJSON()
	if err != nil {
		return Result{Outcome: Refused, Reason: "the value of the event is not JSON"}
	}
	variables := eventVariables(&d)
	r, err := c.start(append(input, '\n'), variables)
	if err != nil {
		return failedStart(err, variables)
	}
	ending := r.wait(ctx, c.timeout)
	if ending != endedByItself {
		r.end(c.killDelay)
	}
	r.closePipes(c.pipeDelay)
	result := c.result(r, ending)
	result.Stderr = bytes.Clone(r.stderrTail.bytes())
	return result
}
