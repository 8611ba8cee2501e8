// Command farmwire-demo shows Farmwire at work without AWS and without Kafka: it simulates a farm
// over real HTTP, embeds a broker, runs farmwire.Run between them, and prints the events as a
// consumer reads them.
//
//	farmwire-demo                    the demo, until Ctrl-C
//	farmwire-demo --duration 30s     the demo, with its account after 30 seconds
//	farmwire-demo farm --listen …    only the simulated farm, for any AWS client
//
// Nothing here is part of the product: the demo is a user of the library, like any other program.
package main

import (
	"github.com/alecthomas/kong"

	"farmwire/cmd/command"
	"farmwire/poller/farmtest"
)

// cli is the grammar of the command line. Without a command it is the demo.
type cli struct {
	Demo demoCmd `cmd:"" default:"withargs" help:"Run Farmwire between a simulated farm and an embedded broker and print the events (default)."`
	Farm farmCmd `cmd:"" help:"Serve the simulated farm to any AWS client."`
}

func program() command.Program {
	return command.Program{
		Name:        "farmwire-demo",
		Description: "Farmwire between a simulated AWS Deadline Cloud farm and an embedded Kafka broker.",
		Grammar:     &cli{},
		Vars:        kong.Vars{"faults": farmtest.FaultNames()},
	}
}

func main() { program().Main() }
