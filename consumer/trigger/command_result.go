package trigger

import (
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"syscall"
)

// temporaryFailure is the exit code by which a command says that what it needs is not there, for example a database. Source:
// EX_TEMPFAIL in sysexits.h.
const temporaryFailure = 75

// result says how a run ended.
func (c *Command) result(r *commandRun, ending commandEnding) Result {
	switch ending {
	case endedByStop:
		return stoppedCommand()
	case endedByTimeout:
		return Result{Outcome: Refused, Reason: fmt.Sprintf("the command ran for longer than %v and was ended", c.timeout)}
	}
	state := r.cmd.ProcessState
	if state == nil {
		return Result{Outcome: Unavailable, Reason: "it is not known how the command ended"}
	}
	if state.Success() {
		return Result{Outcome: Delivered}
	}
	if number := signalOf(state); number != 0 {
		return Result{Outcome: Refused, Reason: fmt.Sprintf("the command was ended by signal %d", number)}
	}
	code := state.ExitCode()
	if code == temporaryFailure {
		return Result{Outcome: Unavailable, Reason: fmt.Sprintf("the command exited with %d: what it needs is not there", code), Exit: code}
	}
	return Result{Outcome: Refused, Reason: fmt.Sprintf("the command exited with %d", code), Exit: code}
}

func stoppedCommand() Result {
	return Result{Outcome: Unavailable, Reason: "the trigger stopped before the command had ended"}
}

// failedStart is the result of a command that did not start. What may pass is Unavailable, because no program has said no:
// a lack of memory, of processes or of open files, a program that is being written, a network file system that does not
// answer.
func failedStart(err error, variables []string) Result {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return cannotStart(Impossible, "there is no such program")
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return cannotStart(Unavailable, "unexpected error")
	}
	switch {
	case errno == syscall.E2BIG:
		return tooLong(variables)
	case errno.Is(fs.ErrNotExist):
		return cannotStart(Impossible, "the program, or the interpreter that its first line names, is missing")
	case errno == syscall.ENOEXEC:
		return cannotStart(Impossible, "it is a program for another system, or a script whose first line names no interpreter")
	case errno.Is(fs.ErrPermission),
		slices.Contains([]syscall.Errno{syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG}, errno):
		return cannotStart(Impossible, errno.Error())
	}
	return cannotStart(Unavailable, errno.Error())
}

// tooLong is the result of a command whose arguments and variables are longer than the system allows, which is 128 KiB for
// each on Linux. If it is not the event that makes them so long, no event can be delivered.
func tooLong(variables []string) Result {
	const long = 16 << 10 // bytes; the variables of an event usually have less than 1 KiB
	total := 0
	for _, v := range variables {
		total += len(v)
	}
	if total > long {
		return cannotStart(Refused, "the event is too long for environment variables")
	}
	return cannotStart(Impossible, "its arguments, or the environment of this process, are too long")
}

func cannotStart(outcome Outcome, why string) Result {
	return Result{Outcome: outcome, Reason: "the command cannot be started: " + why}
}
