package view

import (
	"slices"
	"strconv"
	"time"

	"farmwire/diff"
)

// laneColour returns the colour of the session in a lane. Neighbouring lanes differ.
func laneColour(lane int) Style {
	if lane < 0 {
		return Plain
	}
	palette := [...]int{39, 208, 76, 170, 220, 44, 203, 105, 149, 212, 180, 33}
	return Style("38;5;" + strconv.Itoa(palette[lane%len(palette)]))
}

// fleetColour returns the colour of the workers of a fleet.
func (v *View) fleetColour(fleetID string) Style {
	i := slices.Index(v.fleets, fleetID)
	if i < 0 {
		i = len(v.fleets)
		v.fleets = append(v.fleets, fleetID)
	}
	palette := [...]Style{"38;5;109", "38;5;144", "38;5;139", "38;5;108", "38;5;173", "38;5;103"}
	return palette[i%len(palette)]
}

// changeColour returns the colour of a kind of change, so that starts, ends and failures stand out.
func changeColour(kind diff.Kind) Style {
	switch kind {
	case diff.Started:
		return Green
	case diff.Discovered:
		return "36"
	case diff.Ending:
		return Yellow
	case diff.Ended:
		return Bold
	case diff.UpdateFailed, diff.Vanished:
		return Red
	case diff.Changed:
		return "35"
	default:
		return "34"
	}
}

// delayColour returns the colour of a delay. One that is long for certain stands out.
func delayColour(d Delay) Style {
	if d.Least > 30*time.Second {
		return Yellow
	}
	return Dim
}
