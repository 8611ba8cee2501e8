package coverage

import (
	"cmp"

	"farmwire/diff"
)

// farmOf and fleetOf return the scopes above a worker or a fleet.
func farmOf(s Scope) Scope  { return Scope{FarmID: s.FarmID} }
func fleetOf(s Scope) Scope { return Scope{FarmID: s.FarmID, FleetID: s.FleetID} }

// above returns the scope one level up: of a worker its fleet, of a fleet its farm, of a farm everything.
func above(s Scope) Scope {
	switch {
	case s.WorkerID != "":
		return fleetOf(s)
	case s.FleetID != "":
		return farmOf(s)
	}
	return Scope{}
}

// contains reports whether a scope is part of another one, or is the same.
func contains(wide, s Scope) bool {
	return wide == s || wide == Scope{} || wide == farmOf(s) || wide == fleetOf(s)
}

// depth returns how many levels a scope is below everything.
func depth(s Scope) int {
	switch {
	case s.WorkerID != "":
		return 3
	case s.FleetID != "":
		return 2
	case s.FarmID != "":
		return 1
	}
	return 0
}

// compareScopes orders the wider scopes first.
func compareScopes(a, b Scope) int {
	return cmp.Or(cmp.Compare(depth(a), depth(b)), compareKeys(a, b))
}

func compareKeys(a, b diff.WorkerKey) int {
	return cmp.Or(cmp.Compare(a.FarmID, b.FarmID), cmp.Compare(a.FleetID, b.FleetID), cmp.Compare(a.WorkerID, b.WorkerID))
}
