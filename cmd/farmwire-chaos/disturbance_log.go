package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"farmwire/cmd/farmwire-chaos/check"
)

// disturbanceLog records each disturbance, the process that it was done to, and its times. The check needs it with
// --judge-listings. The zero value is ready.
type disturbanceLog struct {
	mu  sync.Mutex
	all []*check.Disturbance
}

// begin records a disturbance that begins now, of the process with the access key id, or of all if the id is "". The
// returned function records its end, from which the process recovers within the given time.
func (l *disturbanceLog) begin(kind disturbance, key string) (over func(recovery time.Duration)) {
	one := &check.Disturbance{Kind: string(kind), Key: key, From: time.Now().UTC()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, one)
	return func(recovery time.Duration) {
		l.mu.Lock()
		defer l.mu.Unlock()
		one.To = time.Now().Add(recovery).UTC()
	}
}

// lifeEnding records that a process is about to end: a disturbance without an end.
func (l *disturbanceLog) lifeEnding(key string) { l.begin("end of the process", key) }

// How long an instance needs at most to notice that a disturbance is over, and to recover from it.
const (
	connectionRecovery = 500 * time.Millisecond
	ownerRecovery      = 3 * time.Second // an instance that was taken for dead learns that it has lost its shards
	brokerRecovery     = 5 * time.Second // a broker that is back has to load its group and its coordinators
)

const disturbancesFile = "disturbances.jsonl"

// write writes the log to a file in dir as JSON lines.
func (l *disturbanceLog) write(dir string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	file, err := os.Create(filepath.Join(dir, disturbancesFile))
	if err != nil {
		return err
	}
	lines := json.NewEncoder(file)
	for _, one := range l.all {
		err = errors.Join(err, lines.Encode(one))
	}
	return errors.Join(err, file.Close())
}
