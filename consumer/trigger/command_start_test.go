//go:build unix

package trigger

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNewCommandRefuses(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		config CommandConfig
		want   error // nil: any
	}{
		"no command":       {CommandConfig{}, nil},
		"an empty command": {CommandConfig{Args: []string{"", "a"}}, nil},
		"a NUL character":  {CommandConfig{Args: []string{"sh", "a\x00"}}, nil},
		"a negative time":  {CommandConfig{Args: []string{"sh"}, Timeout: -1}, nil},
		"no such file":     {CommandConfig{Args: []string{"./nonexistent"}}, fs.ErrNotExist},
		"not on the path":  {CommandConfig{Args: []string{"farmwire-nonexistent"}}, exec.ErrNotFound},
		"not executable":   {CommandConfig{Args: []string{plain}}, fs.ErrPermission},
		"a folder":         {CommandConfig{Args: []string{t.TempDir()}}, syscall.EISDIR},
	} {
		if c, err := NewCommand(test.config); c != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewCommand(CommandConfig{Args: []string{"sh"}}); err != nil {
		t.Error(err)
	}
}

// What has become of a program after NewCommand has found it.
func TestProgramChanges(t *testing.T) {
	impossible := func(why string) Result {
		return Result{Outcome: Impossible, Reason: "the command cannot be started: " + why}
	}
	const missing = "the program, or the interpreter that its first line names, is missing"
	overwrite := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o700) }
	}
	for name, test := range map[string]struct {
		change func(path string) error
		want   Result
	}{
		"removed":        {os.Remove, impossible(missing)},
		"no interpreter": {overwrite("#!/nonexistent\n"), impossible(missing)},
		"no program": {
			overwrite("echo\n"),
			impossible("it is a program for another system, or a script whose first line names no interpreter"),
		},
		"not executable": {
			func(path string) error { return os.Chmod(path, 0o600) },
			impossible("permission denied"),
		},
		"a folder is a file": {
			func(path string) error {
				folder := filepath.Dir(path)
				return errors.Join(os.RemoveAll(folder), os.WriteFile(folder, nil, 0o600))
			},
			impossible("not a directory"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "programs", "notify.sh")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
			c, _, _ := newCommand(t, time.Minute, path)
			wantResult(t, Result{}, c.Deliver(t.Context(), delivery(t, "render-7")))
			if err := test.change(path); err != nil {
				t.Fatal(err)
			}
			wantResult(t, test.want, c.Deliver(t.Context(), delivery(t, "render-7")))
		})
	}
}

// A program that is found on the PATH, and then is not.
func TestProgramLeavesPath(t *testing.T) {
	path := script(t, "exit 0")
	t.Setenv("PATH", filepath.Dir(path)+":"+os.Getenv("PATH"))
	c, _, _ := newCommand(t, time.Minute, "notify.sh")
	wantResult(t, Result{}, c.Deliver(t.Context(), delivery(t, "render-7")))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantResult(t, Result{Outcome: Impossible, Reason: "the command cannot be started: there is no such program"},
		c.Deliver(t.Context(), delivery(t, "render-7")))
}

// A program that is being written is there soon.
func TestProgramIsWritten(t *testing.T) {
	path := script(t, "exit 0")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, _, _ := newCommand(t, time.Minute, path)
	result := c.Deliver(t.Context(), delivery(t, "render-7"))
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	wantResult(t, Result{Outcome: Unavailable, Reason: "the command cannot be started: text file busy"}, result)
	wantResult(t, Result{}, c.Deliver(t.Context(), delivery(t, "render-7")))
}

// Too long a list of arguments fits no event. Too long an event is another matter.
func TestTooLong(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	c, _, _ := newCommand(t, time.Minute, part(t, "exit", "0", long)...)
	wantResult(t, Result{
		Outcome: Impossible,
		Reason:  "the command cannot be started: its arguments, or the environment of this process, are too long",
	}, c.Deliver(t.Context(), delivery(t, "render-7")))
	c, _, _ = newCommand(t, time.Minute, part(t, "exit", "0")...)
	wantResult(t, Result{Outcome: Refused, Reason: "the command cannot be started: the event is too long for environment variables"},
		c.Deliver(t.Context(), delivery(t, long)))
}

// A lack of resources passes. The errors are those that Start returns.
func TestLackOfResources(t *testing.T) {
	for _, err := range []error{
		&fs.PathError{Op: "fork/exec", Path: "/bin/sh", Err: syscall.EAGAIN},
		&fs.PathError{Op: "fork/exec", Path: "/bin/sh", Err: syscall.ENOMEM},
		&fs.PathError{Op: "fork/exec", Path: "/bin/sh", Err: syscall.ENFILE},
		&fs.PathError{Op: "fork/exec", Path: "/bin/sh", Err: syscall.EIO},
		errors.Join(nil, os.NewSyscallError("pipe2", syscall.EMFILE)),
		errors.New("other"),
	} {
		got := failedStart(err, nil)
		if got.Outcome != Unavailable || got.Exit != 0 || strings.Contains(got.Reason, "/bin/sh") {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

// This process has no file left to open. What was opened for the try is closed again.
func TestNoFilesLeft(t *testing.T) {
	var before, few syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	c, _, _ := newCommand(t, time.Minute, "/bin/sh", "-c", "exit 0")
	wantResult(t, Result{}, c.Deliver(t.Context(), delivery(t, "render-7")))
	d := delivery(t, "render-7")
	next, err := os.Open(os.DevNull) // has the lowest number that is free
	if err != nil {
		t.Fatal(err)
	}
	lowest := int(next.Fd())
	_ = next.Close()
	for _, free := range []int{0, 1, 3, 5, 7} {
		few = before
		few.Cur = uint64(lowest + free)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		result := c.Deliver(t.Context(), d)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
		wantResult(t, Result{Outcome: Unavailable, Reason: "the command cannot be started: too many open files"}, result)
		again, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		if n := int(again.Fd()); n != lowest {
			t.Errorf("with %d files free, some stayed open: the next is %d and not %d", free, n, lowest)
		}
		_ = again.Close()
	}
}

// A command gets the whole event even if the trigger is killed when it has just started the command.
func TestCommandOutlivesTrigger(t *testing.T) {
	for range 10 {
		file := filepath.Join(t.TempDir(), "stdin")
		args := part(t, "die", file)
		if output, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, output)
		}
		var read []byte
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			var err error
			if read, err = os.ReadFile(file); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		if len(read) != pipeRoom {
			t.Fatalf("it reads %d of %d bytes", len(read), pipeRoom)
		}
	}
}
