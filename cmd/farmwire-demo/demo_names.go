package main

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// names gives the long identifiers short names that the eye can follow.
type names struct {
	fleets map[string]string // by fleet id: the display name, else a letter by order of appearance
}

// animals are the words of session names: short, and no two alike at a glance.
const animals = "otter heron lynx badger finch moose viper koala raven bison gecko tapir " +
	"crane hyena shrew llama eagle panda skunk quail camel egret mole ibex stork zebra " +
	"newt puma swan wolf toad dove seal hare mink lark yak carp wren orca kiwi boar " +
	"colt gull ape fox bat owl emu jay elk cod ant bee ram hen doe eel"

// session names a session by an animal and the last four digits of its id, by which it is found in Kafka.
func (names) session(id string) string {
	words := strings.Fields(animals)
	h := fnv.New32a()
	h.Write([]byte(id))
	return words[h.Sum32()%uint32(len(words))] + "-" + tail(id)
}

// fleet names a fleet as the farm does, or by a letter.
func (n names) fleet(id string) string {
	name, ok := n.fleets[id]
	if !ok {
		name = "fleet " + string(rune('A'+len(n.fleets)%26))
		n.fleets[id] = name
	}
	return name
}

// worker names a worker by its host, or by the last four digits of its id.
func (n names) worker(e event) string {
	host := "worker-" + tail(e.Session.WorkerID)
	if e.Worker != nil && e.Worker.HostName != "" {
		host, _, _ = strings.Cut(e.Worker.HostName, ".")
	}
	return fmt.Sprintf("%s / %s", n.fleet(e.Session.FleetID), host)
}

// tail is the last four characters of an identifier.
func tail(id string) string {
	return id[max(0, len(id)-4):]
}
