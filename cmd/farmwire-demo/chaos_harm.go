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

// harms is what was done to whom and when, for the judgement by listings.
type harms struct {
	mu  sync.Mutex
	all []*check.Harm
}

// begin notes what is done from now on to who asks with the access key id, or to all (""). What it returns notes that it
// is over; those who were harmed need a while longer, until they have found out.
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

// Who was harmed needs a while to find out and to mend it.
const (
	mendConnection = 500 * time.Millisecond
	mendOwner      = 3 * time.Second // who was taken for dead learns that others have his shards
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
