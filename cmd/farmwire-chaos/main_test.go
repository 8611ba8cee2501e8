package main

import (
	"strings"
	"testing"

	"farmwire/cmd/command"
)

// Flags that do not fit together are refused before anything is started.
func TestUsage(t *testing.T) {
	for _, args := range []string{
		"--instances 4", "--instances 1", "--instances 1 --stops 0 --held-heartbeats 1", "--table x", "--right", "--workers 0",
		"--fault nonsense", "--brokers 2", "check", "outages --outage nonsense", "outages --workers 0", "outages --brokers 1 --outage bootstrap",
		"trigger --instances 1", "trigger --rate 0", "trigger --kills many", "post",
	} {
		var out, err strings.Builder
		if code := program().Run(t.Context(), strings.Fields(args), command.Streams{Out: &out, Err: &err}); code != command.ExitUsage {
			t.Errorf("%s: exit code %d", args, code)
		}
		if out.Len() > 0 || strings.Count(err.String(), "\n") != 1 {
			t.Errorf("%s prints %q and %q", args, out.String(), err.String())
		}
	}
}

// The command check reads the files of a folder.
func TestCheckWithoutFiles(t *testing.T) {
	var out, err strings.Builder
	code := program().Run(t.Context(), []string{"check", t.TempDir()}, command.Streams{Out: &out, Err: &err})
	if code != command.ExitFailed || !strings.Contains(err.String(), "no such file") {
		t.Errorf("exit code %d, prints %q", code, err.String())
	}
}
