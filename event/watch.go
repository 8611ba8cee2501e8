package event

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"farmwire/diff"
)

// WatchRecord is the value of the state record with the key watch: what a shard knows besides its sessions.
type WatchRecord struct {
	Schema     int
	Region     string
	Partitions int    // of the state topic, and of each other topic
	Initial    string // open, all or none
	Farms      map[string]FarmWatch
	Fleets     map[string]FleetWatch
}

// FarmWatch is what is known of a farm.
type FarmWatch struct {
	Listed time.Time // when its fleets were last listed completely; the service's clock
	Gone   time.Time // since when ListFarms lacks it; the service's clock; zero if it does not
}

// FleetWatch is what is known of a fleet.
type FleetWatch struct {
	Since time.Time // when the watch on it began; the service's clock
	Farm  string    // the id of its farm; empty if it is not known
	Gone  time.Time // since when the list of its farm's fleets lacks it, or ListFarms lacks its farm; the service's clock; zero if neither does

	// Published is what the coverage topic was last told of the watch: began or ended. It is empty if it was told nothing.
	Published string
}

// The values of FleetWatch.Published.
const (
	WatchBegan = "began"
	WatchEnded = "ended"
)

// Clone returns a copy that shares nothing with the original.
func (w WatchRecord) Clone() WatchRecord {
	w.Farms = maps.Clone(w.Farms)
	w.Fleets = maps.Clone(w.Fleets)
	return w
}

// Of returns what decides whether a session of the fleet that is seen for the first time is news or history.
func (w WatchRecord) Of(fleetID string) diff.Watch {
	of := diff.Watch{Since: w.Fleets[fleetID].Since}
	switch w.Initial {
	case "all":
		of.Initial = diff.InitialAll
	case "none":
		of.Initial = diff.InitialNone
	default:
		of.Initial = diff.InitialOpen
	}
	return of
}

// AppendWatch appends the value of the record.
func AppendWatch(b []byte, w WatchRecord) []byte {
	b = strconv.AppendInt(append(b, `{"schema":`...), int64(w.Schema), 10)
	b = appendText(b, `,"region":`, w.Region)
	b = strconv.AppendInt(append(b, `,"partitions":`...), int64(w.Partitions), 10)
	b = appendText(b, `,"initial":`, w.Initial)
	b = append(b, `,"farms":{`...)
	for i, id := range slices.Sorted(maps.Keys(w.Farms)) {
		farm := w.Farms[id]
		b = appendWatched(b, i, id, `:{"listed":`, farm.Listed)
		b = appendGone(b, farm.Gone)
	}
	b = append(b, `},"fleets":{`...)
	for i, id := range slices.Sorted(maps.Keys(w.Fleets)) {
		fleet := w.Fleets[id]
		b = appendWatched(b, i, id, `:{"since":`, fleet.Since)
		if fleet.Farm != "" {
			b = appendText(b, `,"farm":`, fleet.Farm)
		}
		if fleet.Published != "" {
			b = appendText(b, `,"published":`, fleet.Published)
		}
		b = appendGone(b, fleet.Gone)
	}
	return append(b, "}}"...)
}

func appendWatched(b []byte, i int, id, before string, at time.Time) []byte {
	comma := ","
	if i == 0 {
		comma = ""
	}
	b = appendText(b, comma, id)
	return appendInstant(b, before, at)
}

// appendGone appends since when a farm or fleet is gone, if it is, and the end of its object.
func appendGone(b []byte, gone time.Time) []byte {
	if !gone.IsZero() {
		b = appendInstant(b, `,"gone":`, gone)
	}
	return append(b, '}')
}

// decodeWatch reads the value of the record.
func decodeWatch(value []byte) (WatchRecord, error) {
	var w WatchRecord
	if err := unmarshalState(value, &w); err != nil {
		return w, err
	}
	if w.Schema < 1 {
		return w, malformed("the watch record has no schema")
	}
	return w, nil
}
