package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"farmwire/cmd/command"
	"farmwire/internal/leaks"
)

// TestDemo runs the whole demo for a few seconds on a small farm that lives fast. On a slow machine the watch begins only after some
// of them, and a session must end after that.
func TestDemo(t *testing.T) {
	defer leaks.None(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var out, err strings.Builder
	code := program().Run(ctx, strings.Fields("--workers 4 --speed 120 --duration 8s"), command.Streams{Out: &out, Err: &err})
	if code != command.ExitDone || err.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, err.String())
	}
	for _, want := range []string{
		`(?m)^\d\d:\d\d:\d\d\.\d{3} before .* discovered `,
		`(?m)^\d\d:\d\d:\d\d\.\d{3} exact .* ended `,
		`(?m)^ happened +[1-9]\d*  transitions`,
		`(?m)^ API calls +[1-9]\d*  .* a second, because .*\n +ListSessionsForWorker [1-9]`,
		`(?m)^ missed +0  every start and every end was told`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing printed matches %s", want)
		}
	}
	if t.Failed() {
		t.Logf("printed:\n%s", out.String())
	}
}

// TestDemoInterrupted: Ctrl-C ends it like the end of its duration.
func TestDemoInterrupted(t *testing.T) {
	defer leaks.None(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out := &until{text: "discovered", then: cancel}
	if code := program().Run(ctx, strings.Fields("--workers 4 --speed 120"), command.Streams{Out: out, Err: io.Discard}); code != command.ExitDone {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(out.String(), " missed ") {
		t.Errorf("there is no account:\n%s", out)
	}
}

// until is a writer that does something when a text is written.
type until struct {
	strings.Builder
	text string
	then func()
}

// Write implements io.Writer.
func (u *until) Write(p []byte) (int, error) {
	if strings.Contains(string(p), u.text) {
		u.then()
	}
	return u.Builder.Write(p)
}
