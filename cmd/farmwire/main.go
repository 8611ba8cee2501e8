// Command farmwire is change data capture for AWS Deadline Cloud worker sessions. It turns flags into the configuration
// of the library, prints output, and sets the exit code. `farmwire help` lists its commands.
//
// The exit code is 0 for success, 1 for a failure, 2 for wrong usage or configuration, and 130 after an interrupt. An
// error is one line on stderr that says what to do.
//
// SIGINT, SIGTERM and SIGHUP stop `farmwire run` gracefully, and any other command at once. A second signal ends the
// process immediately.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the grammar of the command line.
type commands struct {
	Config string `placeholder:"FILE" help:"Read flags from a YAML file whose keys are flag names. A flag beats its environment variable, which beats the file."`

	Run      runCmd      `cmd:"" help:"Watch sessions and publish their changes to Kafka."`
	Sessions sessionsCmd `cmd:"" help:"List the sessions of one worker, paged as boto3's paginator does."`
	Plan     planCmd     `cmd:"" help:"Say how soon changes are seen with a rate of requests, or which rate a delay needs."`
	Tail     tailCmd     `cmd:"" help:"Print the events as they come."`
	Trigger  triggerCmd  `cmd:"" help:"Run a command or call a webhook when a session has ended."`
	Audit    auditCmd    `cmd:"" help:"Check that no event was removed, changed, added or moved, and say what could not be looked at."`
	Topics   topicsCmd   `cmd:"" help:"Create or check the Kafka topics."`
	Schema   schemaCmd   `cmd:"" help:"Print the contract with consumers: JSON Schemas of the records, and an AsyncAPI document."`
	Version  versionCmd  `cmd:"" help:"Print the version, as --version does."`
	Help     helpCmd     `cmd:"" help:"Print the help of a command: farmwire help run."`
}

// helpCmd is in the list of commands for its help. longForm replaces it by --help, unless flags precede it.
type helpCmd struct {
	Command []string `arg:"" optional:"" help:"Print the help of this command."`
}

// Run prints the help of the command that the arguments name.
func (c helpCmd) Run(parsed *kong.Context) error {
	named, err := kong.Trace(parsed.Kong, c.Command)
	if err != nil {
		return err
	}
	if named.Error != nil {
		return usageError{errors.New(withoutValues(named.Error.Error()))}
	}
	return named.PrintUsage(false)
}

func main() {
	dropEmptyEnvironment()
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals()...)
	context.AfterFunc(ctx, stop) // a second signal has its default effect, which ends the process
	std := &streams{os.Stdin, os.Stdout, os.Stderr}
	discardStderr()
	os.Exit(execute(ctx, os.Args[1:], std))
}

// stopSignals returns the signals that stop a command. SIGHUP is not one of them if it is ignored, as it is under nohup.
func stopSignals() []os.Signal {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

// discardStderr replaces os.Stderr by the null device. The program itself writes to its streams. But the AWS SDK passes
// os.Stderr to the command of credential_process, which may print secrets. It does the same for the standard library's own
// log, which may quote what a server sent, and which would block where nobody reads stderr.
func discardStderr() {
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = nowhere
		log.SetOutput(nowhere)
	}
}

// execute runs a command line and returns its exit code. It also fails if anything could not be written to standard
// output. It never waits long for a reader of standard error.
func execute(ctx context.Context, args []string, std *streams) int {
	out, lines := &outputWriter{to: std.out}, newLineSink(std.err)
	defer lines.close()
	std = &streams{std.in, out, lines}
	code := executeCommand(ctx, longForm(args), std, lines)
	if err := out.failure(); code == 0 && err != nil {
		return report(std, err)
	}
	return code
}

// longForm replaces the short forms that people expect of any command line: no command at all, help, and --version.
func longForm(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	case len(args) == 1 && (args[0] == "topics" || args[0] == "schema"):
		return []string{args[0], "--help"}
	case len(args) == 1 && args[0] == "--version":
		return []string{"version"}
	}
	return withDeliver(args)
}

// executeCommand parses a command line, runs its command and returns the exit code. Lines is what std.err passes to.
func executeCommand(ctx context.Context, args []string, std *streams, lines *lineSink) int {
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
		kong.Bind(std, lines),
	)
	if err != nil {
		return report(std, err)
	}
	parser.Model.HelpFlag.Help = "Print this help."
	// The parser reads files, and such a file may be a pipe that nobody writes to.
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
		return report(std, usageError{fmt.Errorf("%s (see %s --help)", withoutValues(err.Error()), misused(err))})
	}
	if stopsGracefully(command.Command()) {
		return report(std, command.Run())
	}
	return report(std, untilInterrupted(ctx, func() error { return command.Run() }))
}

// stopsGracefully reports whether a command goes on after an interrupt, to end what it has begun.
func stopsGracefully(command string) bool {
	return strings.HasPrefix(command, "run") || strings.HasPrefix(command, "trigger deliver")
}

// misused returns the command line of the command that a parser's error is about, without its flags.
func misused(err error) string {
	if wrong, ok := errors.AsType[*kong.ParseError](err); ok && wrong.Context.Selected() != nil {
		return wrong.Context.Selected().FullPath()
	}
	return "farmwire"
}

// withoutValues returns the text of a parser's error without the value that it quotes. The value may be a secret that was
// given to the wrong flag.
func withoutValues(said string) string {
	said, variable, fromOne := strings.Cut(said, " (from envar ")
	said, _, _ = strings.Cut(said, " but got ")
	said, _, _ = strings.Cut(said, ", expecting \"<") // kong's own name for the value
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

// parse parses a command line. It returns nil and no error if the help was shown.
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

// dropEmptyEnvironment unsets the empty FARMWIRE_ variables, because compose files and charts leave a variable empty to say
// that it is not set.
func dropEmptyEnvironment() {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "FARMWIRE_") && value == "" {
			os.Unsetenv(name)
		}
	}
}
