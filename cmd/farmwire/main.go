// Farmwire is change data capture for AWS Deadline Cloud worker sessions. This package holds its
// commands, one file each: it turns flags into configuration, prints output, and sets the exit code.
// `farmwire help` lists the commands.
//
// Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 130 interrupted. An error is one
// line on stderr that says what to do.
//
// SIGINT, SIGTERM and SIGHUP stop `farmwire run` gracefully, and any other command at once. A second
// signal ends the process immediately.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"farmwire/cluster"
)

type commands struct {
	Config string `placeholder:"FILE" help:"Read flags from a YAML file whose keys are flag names. A flag beats its environment variable, which beats the file."`

	Run      runCmd      `cmd:"" help:"Watch sessions and publish what changes to Kafka."`
	Sessions sessionsCmd `cmd:"" help:"List the sessions of one worker, paged as boto3's paginator does."`
	Topics   topicsCmd   `cmd:"" help:"Create or check the Kafka topics."`
	Version  versionCmd  `cmd:"" help:"Print the version, as --version does."`
	Help     helpCmd     `cmd:"" help:"Print the help of a command: farmwire help run."`
}

// helpCmd stands in the list of commands. longForm has replaced it, unless flags stand before it.
type helpCmd struct{}

// Run prints the help of help.
func (helpCmd) Run(command *kong.Context) error { return command.PrintUsage(false) }

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is wrong usage or configuration: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	dropEmptyEnvironment()
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	context.AfterFunc(ctx, stop) // a second signal has its default effect, which ends the process
	std := &streams{os.Stdin, os.Stdout, os.Stderr}
	discardStderr()
	os.Exit(execute(ctx, os.Args[1:], std))
}

// stopSignals are the signals that stop a command. Under nohup, SIGHUP stays ignored.
func stopSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// discardStderr points os.Stderr at the null device. This program writes to its streams, but the AWS SDK hands os.Stderr
// to a credential_process, which may print secrets.
func discardStderr() {
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = nowhere
	}
}

// execute runs one command line and returns its exit code. It fails also when something that the command
// printed could not be written.
func execute(ctx context.Context, args []string, std *streams) int {
	out := &outputWriter{to: std.out}
	std = &streams{std.in, out, std.err}
	code := executeCommand(ctx, longForm(args), std)
	if code == 0 && out.err != nil {
		return report(std, out.err)
	}
	return code
}

// longForm replaces the short forms that people expect of any command: none at all, help, and --version.
func longForm(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return args
}

func executeCommand(ctx context.Context, args []string, std *streams) int {
	exited := -1
	var file fileResolver
	parser, err := kong.New(&commands{},
		kong.Name("farmwire"),
		kong.Description("Farmwire is change data capture for AWS Deadline Cloud worker sessions. Every flag can also be set by an environment variable, FARMWIRE_<FLAG>. AWS settings are those of the AWS SDK (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_DEADLINE)."),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code; panic(helpShown{}) }),
		kong.DefaultEnvars("FARMWIRE"),
		kong.Resolvers(&file),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		return report(std, err)
	}
	// The parser reads files, and reading one that is a pipe may never end.
	var command *kong.Context
	err = untilInterrupted(ctx, func() (err error) {
		command, err = parse(parser, args)
		return err
	})
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if exited >= 0 {
		return exited
	}
	if file.err != nil {
		return report(std, usageError{file.err})
	}
	if errors.As(err, new(outputError)) {
		return report(std, err)
	}
	if err != nil {
		return report(std, usageError{errors.New(withoutValues(err.Error()) + " (see farmwire --help)")})
	}
	if strings.HasPrefix(command.Command(), "run") {
		return report(std, command.Run())
	}
	return report(std, untilInterrupted(ctx, func() error { return command.Run() }))
}

// withoutValues returns the text of a parser's error without the value that it quotes. The value may be a secret that was
// given to the wrong flag.
func withoutValues(said string) string {
	said, variable, fromOne := strings.Cut(said, " (from envar ")
	said, _, _ = strings.Cut(said, " but got ")
	if fromOne {
		name, _, _ := strings.Cut(variable, "=")
		said += " (from " + name + ")"
	}
	word := regexp.MustCompile(`^unexpected argument ([a-z]{1,12})?(, did you mean .*)?$`) // a word that looks like a command
	if strings.HasPrefix(said, "unexpected argument ") && !word.MatchString(said) {
		said = "unexpected argument: a command takes only flags, as --name=value"
	}
	return strings.Replace(said, "expected duration", "expected a duration with its unit, for example 15s", 1)
}

// helpShown is the panic that leaves the parser after --help, because kong goes on parsing when its exit function returns.
type helpShown struct{}

func parse(parser *kong.Kong, args []string) (command *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(helpShown); !ok {
				panic(r)
			}
		}
	}()
	return parser.Parse(args)
}

// untilInterrupted runs a command, and returns soon after the context has ended even if the command has not.
func untilInterrupted(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
	}
	return ctx.Err()
}

// report prints an error as one line and returns the exit code for it.
func report(std *streams, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, cluster.ErrConfiguration):
		printError(std, err)
		return exitUsage
	default:
		printError(std, err)
		return exitFailed
	}
}

func printError(std *streams, err error) {
	fmt.Fprintf(std.err, "farmwire: %s\n", strings.ReplaceAll(withHint(err).Error(), "\n", "; "))
}

// outputWriter remembers the first error of writing to standard output, because not every writer of the help reports it.
type outputWriter struct {
	to  io.Writer
	err error
}

// outputError is a failure to write to standard output.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

// Write writes to the output. Its errors are of type outputError.
func (w *outputWriter) Write(text []byte) (int, error) {
	n, err := w.to.Write(text)
	if err == nil {
		return n, nil
	}
	err = outputError{err}
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// Fd is the file descriptor of the output, for finding out whether it is a terminal.
func (w *outputWriter) Fd() uintptr { return fileDescriptor(w.to) }

// dropEmptyEnvironment makes an empty variable the same as an unset one, because compose files and charts mean it so.
func dropEmptyEnvironment() {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "FARMWIRE_") && value == "" {
			os.Unsetenv(name)
		}
	}
}
