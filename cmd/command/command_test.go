package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"farmwire/cmd/command"
)

type grammar struct {
	Greet greet `cmd:"" default:"withargs"`
}

type greet struct {
	Name string `arg:""`
}

func (g *greet) Run(_ context.Context, std command.Streams) error {
	switch g.Name {
	case "nobody":
		return errors.New("there is nobody")
	case "reported":
		return fmt.Errorf("printed: %w", command.ErrReported)
	}
	fmt.Fprintln(std.Out, "hello,", g.Name)
	return nil
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		args, out, err string
		code           int
	}{
		{"you", "hello, you\n", "", command.ExitDone},
		{"nobody", "", "test: there is nobody\n", command.ExitFailed},
		{"reported", "", "", command.ExitFailed},
		{"--nonsense", "", "test: unknown flag --nonsense (see test --help)\n", command.ExitUsage},
	} {
		var out, err strings.Builder
		code := command.Program{Name: "test", Grammar: &grammar{}}.Run(t.Context(), strings.Fields(test.args), command.Streams{Out: &out, Err: &err})
		if code != test.code || out.String() != test.out || err.String() != test.err {
			t.Errorf("%s: exit code %d, prints %q and %q", test.args, code, out.String(), err.String())
		}
	}
	var out, err strings.Builder
	code := command.Program{Name: "test", Grammar: &grammar{}}.Run(t.Context(), []string{"--help"}, command.Streams{Out: &out, Err: &err})
	if code != command.ExitDone || !strings.HasPrefix(out.String(), "Usage: test") || err.Len() > 0 {
		t.Errorf("--help: exit code %d, prints %q and %q", code, out.String(), err.String())
	}
}

// Help that cannot be written is a failure, and no wrong usage.
func TestHelpThatCannotBeWritten(t *testing.T) {
	full, err := os.Open(os.DevNull) // for reading only
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var said strings.Builder
	code := command.Program{Name: "test", Grammar: &grammar{}}.Run(t.Context(), []string{"--help"}, command.Streams{Out: full, Err: &said})
	if code != command.ExitFailed || strings.Contains(said.String(), "see test --help") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("exit code %d, prints %q", code, said.String())
	}
}
