// Package command runs the programs that accompany farmwire: it parses a command line by a grammar, runs the command that
// it names, and turns the outcome into an exit code.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, the same as those of farmwire.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// ErrReported is returned by a command that has failed and has already printed why. It gives [ExitFailed], and nothing
// more is printed.
var ErrReported = errors.New("failed, as reported")

// Streams are the writers for the output and the errors of a command.
type Streams struct {
	Out, Err io.Writer
}

// Program is a command line program. Its commands have a method Run, which may take a [context.Context] and [Streams].
type Program struct {
	Name        string
	Description string
	Grammar     any       // pointer to a struct with tags for kong
	Vars        kong.Vars // for the help in the tags
}

// Main runs the program with the arguments and streams of this process and ends the process. SIGINT and SIGTERM end
// the command's context.
func (p Program) Main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	os.Exit(p.Run(ctx, os.Args[1:], Streams{Out: os.Stdout, Err: os.Stderr}))
}

// Run runs the program with the given arguments and returns its exit code.
func (p Program) Run(ctx context.Context, args []string, std Streams) int {
	helped := false
	parser, err := kong.New(p.Grammar,
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.Writers(std.Out, std.Err),
		p.Vars,
		kong.Exit(func(int) { helped = true }), // kong asks for the exit after --help only
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintf(std.Err, "%s: %v\n", p.Name, err)
		return ExitFailed
	}
	parsed, err := parser.Parse(args)
	if helped {
		return ExitDone
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // the help could not be written
		fmt.Fprintf(std.Err, "%s: %v\n", p.Name, err)
		return ExitFailed
	}
	if err != nil {
		fmt.Fprintf(std.Err, "%s: %v (see %s --help)\n", p.Name, err, p.Name)
		return ExitUsage
	}
	switch err := parsed.Run(); {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrReported):
		return ExitFailed
	default:
		fmt.Fprintf(std.Err, "%s: %v\n", p.Name, err)
		return ExitFailed
	}
}
