// Command farmwire-demo shows Farmwire at work without AWS and without Kafka: it simulates a farm
// over real HTTP, embeds a broker, runs farmwire.Run between them, and prints the events as a
// consumer reads them.
//
//	farmwire-demo                    the demo, until Ctrl-C
//	farmwire-demo --duration 30s     the demo, with its account after 30 seconds
//	farmwire-demo farm --listen …    only the simulated farm, for any AWS client
//	farmwire-demo chaos --seed 1     kills, faults and broken networks on Apache Kafka, and a check of the outcome
//
// Nothing here is part of the product: the demo is a user of the library, like any other program.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes, as everywhere in Farmwire.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// cli is the grammar of the command line. Without a command it is the demo.
type cli struct {
	Demo demoCmd `cmd:"" default:"withargs" help:"Run Farmwire between a simulated farm and an embedded broker and print the events (default)."`
	Farm farmCmd `cmd:"" help:"Serve the simulated farm to any AWS client."`

	Chaos chaosCmd `cmd:"" help:"Do harm to farmwire on Apache Kafka (needs Java and Maven), and check what it published."`
	Check checkCmd `cmd:"" help:"Check what a console consumer printed against what truly happened."`
}

// streams are where a command reads nothing from and writes to.
type streams struct {
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default handling is back: a second Ctrl-C kills at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], streams{out: os.Stdout, err: os.Stderr}))
}

// run is main without the process: arguments to exit code.
func run(ctx context.Context, args []string, std streams) int {
	var grammar cli
	code := -1
	parser, err := kong.New(&grammar,
		kong.Name("farmwire-demo"),
		kong.Description("Farmwire between a simulated AWS Deadline Cloud farm and an embedded Kafka broker."),
		kong.Writers(std.out, std.err),
		kong.Vars{"faults": faultNames()},
		kong.Exit(func(c int) { code = c }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		fmt.Fprintln(std.err, "farmwire-demo:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if code >= 0 { // --help has been printed
		return code
	}
	if err != nil {
		fmt.Fprintf(std.err, "farmwire-demo: %v (see farmwire-demo --help)\n", err)
		return exitUsage
	}
	switch err := command.Run(); {
	case err == nil:
		return exitDone
	case errors.Is(err, errMissed), errors.Is(err, errAnomalies): // the account or the report has said it
		return exitFailed
	default:
		fmt.Fprintln(std.err, "farmwire-demo:", err)
		return exitFailed
	}
}
