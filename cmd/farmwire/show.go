package main

import (
	"encoding/json"
	"fmt"
	"io"

	"farmwire/cmd/view"
	"farmwire/event"
)

// printJSON returns a function that prints an event as a line of JSON, which is a CloudEvent in structured mode.
func printJSON(out io.Writer) func(event.Record) error {
	return func(r event.Record) error {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
}

// newView returns a view that prints lines for people. delay is what its legend says of the delays; "": it has none.
func newView(out io.Writer, delay string) *view.View {
	return view.New(out, view.Options{Width: view.Width(out), Colour: view.HasColour(out), Delay: delay})
}
