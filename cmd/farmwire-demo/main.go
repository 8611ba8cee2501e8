// Command farmwire-demo shows Farmwire at work without AWS and without Kafka. It serves a simulated farm over HTTP, embeds
// a broker, runs farmwire.Run between them, and prints the events as a consumer reads them from the broker.
//
//	farmwire-demo                    the demo, until Ctrl-C
//	farmwire-demo --duration 30s     the demo, for 30 seconds
//	farmwire-demo farm --listen …    only the simulated farm, for any AWS client
//
// At its end the demo prints an account of whether any event was missed.
package main

import (
	"strings"

	"github.com/alecthomas/kong"

	"farmwire/cmd/command"
	"farmwire/poller/farmtest"
)

// cli is the grammar of the command line. The demo is the default command.
type cli struct {
	Demo demoCmd `cmd:"" default:"withargs" help:"Run Farmwire between a simulated farm and an embedded broker, and print the events. This is the default command."`
	Farm farmCmd `cmd:"" help:"Serve the simulated farm to any AWS client. It knows ${operations}."`
}

// program returns the program, which tests run too.
func program() command.Program {
	return command.Program{
		Name:        "farmwire-demo",
		Description: "Farmwire-demo shows Farmwire at work between a simulated AWS Deadline Cloud farm and an embedded Kafka broker. It needs neither AWS nor Kafka.",
		Grammar:     &cli{},
		Vars:        kong.Vars{"faults": farmtest.FaultNames(), "operations": operations()},
	}
}

// operations returns the names of the operations that the farm serves.
func operations() string {
	var names []string
	for _, op := range farmtest.Operations() {
		names = append(names, string(op))
	}
	return strings.Join(names, ", ")
}

func main() { program().Main() }
