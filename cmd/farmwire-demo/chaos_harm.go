package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"farmwire/cmd/farmwire-demo/check"
)

// harms records each act, the instance that it was done to, and its times. The check with --judge-listings needs it.
type harms struct {
	mu  sync.Mutex
	all []*check.Harm
}

// begin records an act that begins now. It is done to the instance with the access key id, or to all instances if the id
// is "". The returned function records that the act is over. The instance takes some time more to recover from it.
func (h *harms) begin(what, by string) (over func(longer time.Duration)) {
	one := &check.Harm{What: what, By: by, From: time.Now().UTC()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, one)
	return func(longer time.Duration) {
		h.mu.Lock()
		defer h.mu.Unlock()
		one.To = time.Now().Add(longer).UTC()
	}
}

// How long an instance needs to notice an act that is over, and to recover from it.
const (
	mendConnection = 500 * time.Millisecond
	mendOwner      = 3 * time.Second // an instance that the group took for dead learns that it has lost its shards
	mendBroker     = 5 * time.Second // a broker that is back has its group and its coordinators to load
)

// write writes them as JSON lines.
func (h *harms) write(dir string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	file, err := os.Create(filepath.Join(dir, harmFile))
	if err != nil {
		return err
	}
	lines := json.NewEncoder(file)
	for _, one := range h.all {
		err = errors.Join(err, lines.Encode(one))
	}
	return errors.Join(err, file.Close())
}

const harmFile = "harm.jsonl"

// keyOf is the access key id of one life of an instance: so the farm knows which process has asked.
func keyOf(instance, life int) string { return fmt.Sprintf("chaos-%d-%d", instance, life) }
