package main

import (
	"hash/fnv"
	"strings"
)

// animals are the words of session names: short, and no two alike at a glance.
const animals = "otter heron lynx badger finch moose viper koala raven bison gecko tapir " +
	"crane hyena shrew llama eagle panda skunk quail camel egret mole ibex stork zebra " +
	"newt puma swan wolf toad dove seal hare mink lark yak carp wren orca kiwi boar " +
	"colt gull ape fox bat owl emu jay elk cod ant bee ram hen doe eel"

// sessionName names a session by an animal and the last four digits of its id, by which it is found in Kafka.
func sessionName(id string) string {
	words := strings.Fields(animals)
	h := fnv.New32a()
	h.Write([]byte(id))
	return words[h.Sum32()%uint32(len(words))] + "-" + tail(id)
}

// workerName names a worker by its host, which farms call after the fleet, or by the last four digits of its id.
func workerName(e event) string {
	if e.Worker == nil || e.Worker.HostName == "" {
		return "worker-" + tail(e.Session.WorkerID)
	}
	host, _, _ := strings.Cut(e.Worker.HostName, ".")
	return host
}

// tail is the last four characters of an identifier.
func tail(id string) string {
	return id[max(0, len(id)-4):]
}
