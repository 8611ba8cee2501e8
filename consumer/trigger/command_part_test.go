//go:build unix

package trigger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// partVariable makes this test binary play the part of a command.
const partVariable = "TRIGGER_TEST_PART"

// part returns the arguments of a command that this test binary plays.
func part(t *testing.T, args ...string) []string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(partVariable, "yes")
	t.Setenv("GORACE", "atexit_sleep_ms=0") // the race detector would sleep for a second at the end of each command
	return append([]string{path}, args...)
}

// heard is what the part "listen" has learned.
type heard struct {
	Environment []string
	Stdin       string
}

// playPart is the main function of a command. It returns the exit code.
func playPart(args []string) int {
	switch args[0] {
	case "listen": // tells what it was told
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return 90
		}
		if err := json.NewEncoder(os.Stdout).Encode(heard{os.Environ(), string(input)}); err != nil {
			return 91
		}
	case "die": // as soon as a command has started, as if it was killed
		runtime.GOMAXPROCS(1) // so that nothing else is done before
		c, err := NewCommand(CommandConfig{Args: []string{"/bin/sh", "-c", `cat >"$0.part"; mv "$0.part" "$0"`, args[1]}})
		if err != nil {
			return 93
		}
		if _, err := c.start(bytes.Repeat([]byte{'-'}, pipeRoom), nil); err != nil {
			return 94
		}
		return 0
	case "exit":
		code, _ := strconv.Atoi(args[1])
		return code
	case "kill": // itself
		number, _ := strconv.Atoi(args[1])
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number))
		time.Sleep(time.Minute)
	case "hang": // until it is killed
		return hang(args[1], args[2:])
	case "leave": // a child behind that keeps the pipes open
		if err := startPart("hang", args[1]); err != nil {
			fmt.Println(err)
			return 92
		}
		for countPIDs(args[1]) < 1 {
			time.Sleep(time.Millisecond)
		}
		fmt.Fprint(os.Stderr, "left")
	case "flood": // stderr with lines of 100 bytes, each with its number
		out := bufio.NewWriterSize(os.Stderr, 10_000)
		for n := range 100_000 {
			fmt.Fprintf(out, "%08d%s\n", n, strings.Repeat("-", 91))
		}
		_ = out.Flush()
	}
	return 0
}

// hang ignores SIGTERM, and so do the children that it starts. Each leaves its number as a file in a folder.
func hang(folder string, children []string) int {
	signal.Ignore(syscall.SIGTERM)
	for range children {
		if err := startPart("hang", folder); err != nil {
			return 93
		}
	}
	for countPIDs(folder) < len(children) {
		time.Sleep(time.Millisecond)
	}
	if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(os.Getpid())), nil, 0o600); err != nil {
		return 94
	}
	time.Sleep(time.Minute)
	return 0
}

// startPart starts a child that has the same stdin, stdout and stderr.
func startPart(args ...string) error {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Start()
}

func countPIDs(folder string) int {
	entries, _ := os.ReadDir(folder)
	return len(entries)
}

// awaitPIDs waits for the numbers of n processes that hang.
func awaitPIDs(t *testing.T, folder string, n int) (pids []int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); countPIDs(folder) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d processes run", countPIDs(folder), n)
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// isRunning reports whether a process has not ended. One that nobody has waited for has ended.
func isRunning(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return len(state) == 0 || state[0] != 'Z'
}

// awaitEnd fails the test if a process goes on.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); isRunning(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d goes on", pid)
		}
	}
}
