package view

import (
	"hash/fnv"
	"strings"

	"farmwire/event"
)

// animals are the words that name sessions. They have at most five letters and are easy to tell apart.
const animals = "otter heron lynx finch moose viper koala raven bison gecko tapir " +
	"crane hyena shrew llama eagle panda skunk quail camel egret mole ibex stork zebra " +
	"newt puma swan wolf toad dove seal hare mink lark yak carp wren orca kiwi boar " +
	"colt gull ape fox bat owl emu jay elk cod ant bee ram hen doe eel"

// sessionName names a session by an animal and the last four digits of its id, by which it can be found in Kafka.
func sessionName(id string) string {
	words := strings.Fields(animals)
	h := fnv.New32a()
	h.Write([]byte(id))
	return words[h.Sum32()%uint32(len(words))] + "-" + tail(id)
}

// workerName names a worker by its host, or by the last four digits of its id where the host is not known.
func workerName(e event.Event) string {
	if e.Status == nil || e.Status.HostName == "" {
		return "worker-" + tail(e.Session.WorkerID)
	}
	host, _, _ := strings.Cut(e.Status.HostName, ".")
	return host
}

// tail returns the last four characters of an identifier.
func tail(id string) string { return id[max(0, len(id)-4):] }
