package main

import (
	"context"
	"strings"
	"testing"

	"farmwire/cmd/command"
)

func run(args string) (out, said string, code int) {
	var o, e strings.Builder
	code = program().Run(context.Background(), strings.Fields(args), command.Streams{Out: &o, Err: &e})
	return o.String(), e.String(), code
}

// Wrong flags are said in one line, with exit code 2.
func TestWrongFlags(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--mix nonsense", "--mix must be one of"},
		{"--order sideways", "--order must be one of"},
		{"--workers 0", "0 workers"},
		{"--workers many", "--workers"},
		{"--rate 0", "a rate of 0"},
		{"--session 0", "sessions of 0s"},
		{"--job-size 0", "jobs of 0 sessions"},
		{"--pages 0", "listings of 0 pages"},
		{"--duration 0", "a window of 0s"},
		{"--throttled 2", "shares"},
		{"--nonsense", "unknown flag"},
		{"even", "unexpected argument"},
	} {
		out, said, code := run(test.args)
		if code != command.ExitUsage || out != "" || strings.Count(said, "\n") != 1 || !strings.Contains(said, test.want) || !strings.Contains(said, "--help") {
			t.Errorf("%s: exit code %d, prints %q and %q", test.args, code, out, said)
		}
	}
}

// A run ends by itself, prints figures of both, and the same ones the next time.
func TestRun(t *testing.T) {
	const args = "--mix updates --workers 50 --rate 2 --warm-up 5m --duration 10m --throttled 0.1 --pages 2"
	out, said, code := run(args)
	if code != command.ExitDone || said != "" {
		t.Fatalf("exit code %d, prints %q", code, said)
	}
	for _, want := range []string{"schedule     round robin    ratio", "changes known, mean", "changes known, p99", "starts that nothing could announce: 0.0 %", "starts known, mean", "ends known, p99", "updates known, p50", "sessions lost", "longest unlisted", "BatchGetWorker", "ListSessionsForWorker", "ListSessions  "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the output:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "starts known") && (fields[3] == "0.0" || fields[5] == "0.0") {
			t.Error(line)
		}
	}
	if again, _, _ := run(args); again != out {
		t.Errorf("two runs differ:\n%s\n%s", out, again)
	}
}

// The same flags give the same figures, also where many workers are deleted at a time.
func TestSameAgain(t *testing.T) {
	const args = "--mix autoscaling --workers 300 --warm-up 20m --duration 20m"
	first, _, code := run(args)
	for range 2 {
		if again, _, _ := run(args); code != command.ExitDone || again != first {
			t.Fatalf("two runs differ, exit code %d:\n%s\n%s", code, first, again)
		}
	}
}

// A signal ends a run, which is then no success.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, said strings.Builder
	code := program().Run(ctx, nil, command.Streams{Out: &out, Err: &said})
	if code != command.ExitFailed || out.Len() > 0 || !strings.Contains(said.String(), "canceled") {
		t.Errorf("exit code %d, prints %q and %q", code, out.String(), said.String())
	}
}
