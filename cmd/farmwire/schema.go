package main

import (
	"io"

	"farmwire/event/schema"
)

type schemaCmd struct {
	Event    schemaEventCmd    `cmd:"" help:"Print the JSON Schema of the values of <prefix>.events and <prefix>.ended. Its $$id is in the header ce_dataschema."`
	Coverage schemaCoverageCmd `cmd:"" help:"Print the JSON Schema of the values of <prefix>.coverage. Its $$id is in the header ce_dataschema."`
	State    schemaStateCmd    `cmd:"" help:"Print the JSON Schema of the values of <prefix>.state."`
	Asyncapi schemaAsyncapiCmd `cmd:"" help:"Print the AsyncAPI 3 document: the topics, and the keys, headers and values of their records."`
}

type schemaEventCmd struct{}

// Run prints the schema of events.
func (schemaEventCmd) Run(std *streams) error { return printText(std, schema.Event) }

type schemaCoverageCmd struct{}

// Run prints the schema of coverage records.
func (schemaCoverageCmd) Run(std *streams) error { return printText(std, schema.Coverage) }

type schemaStateCmd struct{}

// Run prints the schema of state records.
func (schemaStateCmd) Run(std *streams) error { return printText(std, schema.State) }

type schemaAsyncapiCmd struct{}

// Run prints the AsyncAPI document.
func (schemaAsyncapiCmd) Run(std *streams) error { return printText(std, schema.AsyncAPI) }

func printText(std *streams, text string) error {
	_, err := io.WriteString(std.out, text)
	return err
}
