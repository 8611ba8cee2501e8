//go:build unix

package examples

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs, and prints lines.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// start starts a program in a folder, with further variables. It is killed after five minutes, so that no test hangs.
func start(t *testing.T, dir string, variables []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, os.Stderr, append(os.Environ(), variables...)
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return &process{cmd, bufio.NewScanner(out)}
}

// take returns the next lines, sorted.
func (p *process) take(t *testing.T, n int) []string {
	t.Helper()
	var lines []string
	for range n {
		if !p.lines.Scan() {
			t.Fatalf("%s has ended and printed only\n%s", p.cmd, strings.Join(lines, "\n"))
		}
		lines = append(lines, p.lines.Text())
	}
	slices.Sort(lines)
	return lines
}

// stop sends SIGTERM and waits for the end, with exit code 0.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for p.lines.Scan() {
		t.Errorf("%s prints %s", p.cmd, p.lines.Text())
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", p.cmd, err)
	}
}

// folder returns the absolute path of this folder, or of what is in it.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(names...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// needs skips a test if a program of another language lacks its packages.
func needs(t *testing.T, program, option, probe, install string) {
	t.Helper()
	if err := exec.Command(program, option, probe).Run(); err != nil {
		t.Skipf("%s has not the packages of the examples: %s", program, install)
	}
}

func needsPython(t *testing.T) {
	t.Helper()
	needs(t, "python3", "-c", "import cloudevents.core, confluent_kafka, duckdb", "pip install -r examples/requirements.txt")
}

func needsNode(t *testing.T) {
	t.Helper()
	needs(t, "node", "-e", "require('cloudevents'); require('kafkajs')", "npm ci --prefix examples")
}

// builds are the programs that the tests have built.
type builds struct {
	mu   sync.Mutex
	dir  string
	made map[string]string // by package
}

var programs builds

// build returns the path of a program of this module.
func build(t *testing.T, pkg string) string {
	t.Helper()
	programs.mu.Lock()
	defer programs.mu.Unlock()
	if path := programs.made[pkg]; path != "" {
		return path
	}
	path := filepath.Join(programs.dir, filepath.Base(pkg))
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	programs.made[pkg] = path
	return path
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "farmwire-examples-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	programs.dir, programs.made = dir, map[string]string{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
