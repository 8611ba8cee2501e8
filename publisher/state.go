package publisher

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"farmwire/diff"
)

// The state topic is where a shard's snapshot survives. It is compacted, its partitions are the
// shards, and it holds two kinds of records:
//
//	key <session id>  {"schema":1,"sequence":3,"session":{…the ten fields of the event…},"seen":"…Z"}
//	                  and ,"vanished":true before the last brace if the session was given up;
//	                  sequence 0: only remembered, never published; null: forgotten
//	key watch         {"schema":1,"region":…,"partitions":…,"initial":…,"farms":{id:{"listed":…}},"fleets":{id:{"since":…}}}
//
// Why a change is published exactly once:
//
//  1. One writer. Everything of a shard is written under the transactional id
//     farmwire.<state topic>.<partition>. Whoever acquires the shard raises the id's epoch first,
//     and from then on brokers refuse the requests of all who came before, however late they arrive.
//     The id belongs to the partition and not to a group or a process: two deployments on one
//     state topic fence each other too.
//  2. One transaction. Events and the state that follows from them are committed together or not at
//     all. So at every instant the committed state of a session is its last committed event:
//     state is the fold of the events.
//  3. A final end. After a take-over (takeover.go) nothing of an earlier epoch can be written to the
//     partition or decided in it any more. So what is read up to its uncommitted end with
//     read_committed is all that was ever committed. Read to the last stable offset only, a restore
//     could stop before a transaction whose markers are still on their way, and publish its changes
//     a second time.
//  4. The last record of a key decides, which is just what compaction keeps. It removes earlier
//     records of a key, aborted ones and, in time, tombstones; none of them change the fold.
//     The topic must not have cleanup.policy=delete: a record of a quiet session would be gone.
//  5. Compared again. After any error whose outcome is unknown the shard is acquired again: the
//     fence settles the transaction, the restore shows whether it was committed, and the next observation
//     is compared with that. A change that was committed is in the restored state and is no change any more;
//     one that was not is found again.
//
// The records of one session stand in one partition, as a session belongs to a worker and the worker's id decides
// the shard. Growing the topic would break that, as it would break the order of events: another number
// of partitions than the watch record tells is refused.

// schema is the version of the records that this program writes, and the newest that it reads.
const schema = 1

// watchKey is the key of the watch record; no session is called so.
const watchKey = "watch"

// transactionalID is the id that protects a shard.
func transactionalID(stateTopic string, shard int) string {
	return "farmwire." + stateTopic + "." + strconv.Itoa(shard)
}

// Watch is what a shard knows beside its sessions. It is stored in the shard's watch record.
type Watch struct {
	Schema     int
	Region     string
	Partitions int    // of the state topic, and of the others
	Initial    string // open, all or none
	Farms      map[string]FarmWatch
	Fleets     map[string]FleetWatch
}

// FarmWatch is what is known of a farm.
type FarmWatch struct {
	Listed time.Time // when its fleets were last listed completely; the service's clock
}

// FleetWatch is what is known of a fleet.
type FleetWatch struct {
	Since time.Time // when the watch on it began; the service's clock
}

// Clone is a copy that shares nothing.
func (w Watch) Clone() Watch {
	w.Farms = maps.Clone(w.Farms)
	w.Fleets = maps.Clone(w.Fleets)
	return w
}

// Of is what the sessions of a fleet are judged by at first sight.
func (w Watch) Of(fleetID string) diff.Watch {
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

func appendWatch(b []byte, w Watch) []byte {
	b = append(b, `{"schema":`...)
	b = strconv.AppendInt(b, int64(w.Schema), 10)
	b = append(b, `,"region":`...)
	b = appendString(b, w.Region)
	b = append(b, `,"partitions":`...)
	b = strconv.AppendInt(b, int64(w.Partitions), 10)
	b = append(b, `,"initial":`...)
	b = appendString(b, w.Initial)
	b = append(b, `,"farms":{`...)
	for i, id := range slices.Sorted(maps.Keys(w.Farms)) {
		b = appendWatched(b, i, id, "listed", w.Farms[id].Listed)
	}
	b = append(b, `},"fleets":{`...)
	for i, id := range slices.Sorted(maps.Keys(w.Fleets)) {
		b = appendWatched(b, i, id, "since", w.Fleets[id].Since)
	}
	return append(b, "}}"...)
}

func appendWatched(b []byte, i int, id, name string, at time.Time) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	b = appendString(b, id)
	b = append(b, `:{"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	b = appendJSONTime(b, at)
	return append(b, '}')
}

func decodeWatch(value []byte) (Watch, error) {
	var w Watch
	if err := json.Unmarshal(value, &w); err != nil {
		return w, fmt.Errorf("watch record: %w", err)
	}
	return w, nil
}

// check says whether this program and this configuration may go on from the watch.
func (w Watch) check(stateTopic, region string, partitions int) error {
	switch {
	case w.Schema > schema:
		return refuseSchema(stateTopic, w.Schema)
	case w.Region != region:
		return refuse("%s belongs to region %s, and this is %s: set the region, or another --topic-prefix for each region",
			stateTopic, w.Region, region)
	case w.Partitions != partitions:
		return refuseGrowth(stateTopic, w.Partitions, partitions)
	}
	return nil
}

func refuseGrowth(topic string, made, found int) error {
	return refuse("%s was made with %d partitions and now has %d, so the order per key is lost: restore it, or begin with another --topic-prefix",
		topic, made, found)
}

func refuseSchema(stateTopic string, found int) error {
	return refuse("%s was written with schema %d by a newer farmwire, and this one knows %d: run the newer version", stateTopic, found, schema)
}

// appendState appends the value of a session's record.
func appendState(b []byte, r *diff.Record) []byte {
	b = append(b, `{"schema":1,"sequence":`...)
	b = strconv.AppendUint(b, r.Sequence, 10)
	b = append(b, `,"session":`...)
	b = appendSession(b, &r.Session)
	b = append(b, `,"seen":`...)
	b = appendJSONTime(b, r.Seen)
	if r.Vanished {
		b = append(b, `,"vanished":true`...)
	}
	return append(b, '}')
}
