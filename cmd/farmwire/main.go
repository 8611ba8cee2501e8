// Farmwire is change data capture for AWS Deadline Cloud worker sessions. The commands are here, one
// file each: flags to configuration, output, exit codes. `farmwire --help` lists them.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted. Errors are one line on
// stderr that says what to do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"farmwire/cluster"
)

type commands struct {
	Config string `placeholder:"FILE" help:"YAML file with flag names as keys. A flag beats its environment variable, which beats the file."`

	Run      runCmd      `cmd:"" help:"Watch sessions and publish every lifecycle transition to Kafka."`
	Sessions sessionsCmd `cmd:"" help:"List the sessions of one worker, paged as boto3's paginator does."`
	Topics   topicsCmd   `cmd:"" help:"Create or check the Kafka topics."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	std := &streams{os.Stdin, os.Stdout, os.Stderr}
	discardStderr()
	os.Exit(execute(ctx, os.Args[1:], std))
}

// discardStderr points os.Stderr at the null device. This program writes to its streams, but the AWS SDK hands os.Stderr
// to a credential_process, which may print secrets.
func discardStderr() {
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = nowhere
	}
}

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, std *streams) int {
	exited := -1
	var file fileResolver
	parser, err := kong.New(&commands{},
		kong.Name("farmwire"),
		kong.Description("Change data capture for AWS Deadline Cloud worker sessions. Every flag has an environment variable FARMWIRE_<FLAG>; AWS settings are the SDK's own (AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_DEADLINE)."),
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
	// The parser reads files, and one that is a pipe may never end.
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
	if err != nil {
		return report(std, usageError{errors.New(withoutValues(err.Error()) + " (see farmwire --help)")})
	}
	if strings.HasPrefix(command.Command(), "run") {
		return report(std, command.Run())
	}
	return report(std, untilInterrupted(ctx, func() error { return command.Run() }))
}

// withoutValues returns an error of the parser without the value that it quotes. The value may be a secret that was given
// to the wrong flag.
func withoutValues(said string) string {
	said, variable, fromOne := strings.Cut(said, " (from envar ")
	said, _, _ = strings.Cut(said, " but got ")
	if fromOne {
		name, _, _ := strings.Cut(variable, "=")
		said += " (from " + name + ")"
	}
	word := regexp.MustCompile(`^unexpected argument ([a-z]{1,12})?(, did you mean .*)?$`) // what looks like a command
	if strings.HasPrefix(said, "unexpected argument ") && !word.MatchString(said) {
		said = "unexpected argument: after the command there are only flags, --name=value"
	}
	return strings.Replace(said, "expected duration", "expected a duration with its unit, for example 15s", 1)
}

// helpShown unwinds the parser after --help: kong goes on parsing when its exit function returns.
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

// untilInterrupted stops waiting for a command soon after its context ended, whatever it is stuck in.
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

// report prints an error as one line and returns the exit code.
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

// dropEmptyEnvironment makes an empty variable the same as an unset one, as compose files and charts mean it.
func dropEmptyEnvironment() {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "FARMWIRE_") && value == "" {
			os.Unsetenv(name)
		}
	}
}
