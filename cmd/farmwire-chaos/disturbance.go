package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"farmwire/cmd/farmwire-chaos/check"
)

// disturbance is a kind of what is done to farmwire.
type disturbance string

const (
	killInstance   disturbance = "SIGKILL"
	stopInstance   disturbance = "SIGSTOP take-over"
	killBroker     disturbance = "broker SIGKILL"
	cutConnections disturbance = "cut"
	freeze         disturbance = "freeze"
	restartAll     disturbance = "restart of all"
	lateProduce    disturbance = "late produce"
	lateEndTxn     disturbance = "late EndTxn"
	holdHeartbeats disturbance = "held heartbeats"

	failAPI     disturbance = check.APIOutage
	denyFleet   disturbance = check.DeniedFleet
	hangWorkers disturbance = check.HangingWorkers
	freezeKafka disturbance = "Kafka outage"
	stopAll     disturbance = check.Absence

	// Brokers must not accept late requests: the publisher begins a new epoch after a request without an answer.
	lateProduceAccepted disturbance = "late produce accepted"
	lateEndTxnAccepted  disturbance = "late EndTxn accepted"
)

// planDisturbances shuffles what the flags ask for by the seed.
func planDisturbances(f *flags, rng *rand.Rand) []disturbance {
	var plan []disturbance
	for _, one := range []struct {
		kind disturbance
		n    int
	}{
		{killInstance, f.Kills}, {stopInstance, f.Stops}, {killBroker, f.BrokerKills}, {cutConnections, f.Cuts},
		{restartAll, f.Restarts}, {freeze, f.Freezes}, {lateEndTxn, f.LateEndTxns}, {lateProduce, f.LateProduces},
		{holdHeartbeats, f.HeldHeartbeats}, {failAPI, f.APIOutages}, {denyFleet, f.DeniedFleets}, {hangWorkers, f.HangingWorkers},
		{freezeKafka, f.KafkaOutages}, {stopAll, f.Absences},
	} {
		plan = append(plan, slices.Repeat([]disturbance{one.kind}, one.n)...)
	}
	rng.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	return plan
}

// counts tells how often each disturbance succeeded. Its methods may be called from any goroutine.
type counts struct {
	mu sync.Mutex
	n  map[disturbance]int
}

func (c *counts) add(d disturbance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[disturbance]int{}
	}
	c.n[d]++
}

// of tells how often a disturbance succeeded.
func (c *counts) of(d disturbance) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[d]
}

// String lists the counts in a fixed order.
func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, d := range slices.Sorted(maps.Keys(c.n)) {
		parts = append(parts, fmt.Sprintf("%s %d", d, c.n[d]))
	}
	return strings.Join(parts, ", ")
}
