package main

import (
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/term"

	"farmwire/cmd/command"
)

// screen finds out what stdout is: a terminal's width, and whether it wants colour. What is no
// terminal gets the full width and no colour.
func screen(std command.Streams) (colour bool, width int) {
	const full = 128
	file, ok := std.Out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false, full
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		width = full
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb", width
}

// laneColour is the colour of a session while it is open: neighbours differ.
func laneColour(lane int) string {
	if lane < 0 {
		return plain
	}
	palette := [...]int{39, 208, 76, 170, 220, 44, 203, 105, 149, 212, 180, 33}
	return "38;5;" + strconv.Itoa(palette[lane%len(palette)])
}

// fleetColour is the same for all workers of a fleet.
func (v *view) fleetColour(fleetID string) string {
	i := slices.Index(v.fleets, fleetID)
	if i < 0 {
		i = len(v.fleets)
		v.fleets = append(v.fleets, fleetID)
	}
	palette := [...]string{"38;5;109", "38;5;144", "38;5;139", "38;5;108", "38;5;173", "38;5;103"}
	return palette[i%len(palette)]
}

// changeColour tells beginnings, endings and troubles apart.
func changeColour(change string) string {
	switch change {
	case "started":
		return "32"
	case "discovered":
		return "36"
	case "ending":
		return "33"
	case "ended":
		return bold
	case "updatefailed", "vanished":
		return "31"
	case "changed":
		return "35"
	default:
		return "34"
	}
}

// delayColour warns of changes that came late.
func delayColour(d time.Duration) string {
	if d > 5*time.Second {
		return "33"
	}
	return dim
}
