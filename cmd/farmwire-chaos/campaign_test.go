package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/publisher/kafkatest"
)

func TestPlanFollowsTheSeed(t *testing.T) {
	c := &flags{Kills: 5, Stops: 3, BrokerKills: 2, Cuts: 4, Freezes: 2, Restarts: 1, LateProduces: 3, LateEndTxns: 2, HeldHeartbeats: 2,
		APIOutages: 1, DeniedFleets: 2, HangingWorkers: 3, KafkaOutages: 4, Absences: 5}
	plan := func(seed uint64) []disturbance { return planDisturbances(c, rand.New(rand.NewPCG(seed, 7))) }
	if !slices.Equal(plan(1), plan(1)) {
		t.Error("one seed, two plans")
	}
	if slices.Equal(plan(1), plan(2)) {
		t.Error("two seeds, one plan")
	}
	if len(plan(1)) != 39 {
		t.Errorf("%d disturbances, not 39", len(plan(1)))
	}
	late := func(d disturbance) bool { return d == lateProduce }
	if n := len(slices.DeleteFunc(plan(1), func(d disturbance) bool { return !late(d) })); n != 3 {
		t.Errorf("%d late produces, not 3", n)
	}
	c.LateProduces = 0
	if without := plan(1); slices.ContainsFunc(without, late) || len(without) != 36 || !slices.Contains(without, lateEndTxn) {
		t.Errorf("without late produces: %v", without)
	}
}

// The flags that a report names make the same run again.
func TestReplay(t *testing.T) {
	c, err := parseFlags([]string{"--seed", "5", "--kills", "3", "--late-produces", "2", "--late-endtxns", "4", "--held-heartbeats", "1", "--brokers", "3", "--static", "--judge-listings", "--calm", "4s", "--pause", "2s", "--discovery", "7s", "--fault", "slow=0.5/1s", "--sessions", "20", "--history", "20", "--order", "newest", "--job-size", "40", "--api-rate", "120,12", "--cover",
		"--gap-after", "7s", "--api-outages", "1", "--denied-fleets", "2", "--hanging-workers", "3", "--kafka-outages", "4", "--absences", "5"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseFlags(strings.Fields(c.String()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, again); d != "" || again.LateProduces != 2 || again.LateEndTxns != 4 || again.HeldHeartbeats != 1 ||
		again.GapAfter != 7*time.Second || again.APIOutages != 1 || again.DeniedFleets != 2 || again.HangingWorkers != 3 || again.KafkaOutages != 4 || again.Absences != 5 {
		t.Error(d)
	}
}

// A short run of everything on Apache Kafka; the program does the same for hours.
func TestChaos(t *testing.T) {
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skip("needs brokers to kill: run with " + kafkatest.Variable + "=apache (Java 17 and Maven; nothing is installed)")
	}
	c, err := parseFlags([]string{"--kills", "8", "--stops", "2", "--broker-kills", "1", "--cuts", "2", "--freezes", "1", "--restarts", "1", "--settle", "10s"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var output bytes.Buffer
	o, err := runCampaign(ctx, c, &output, t.TempDir())
	t.Log(output.String())
	if err != nil {
		t.Fatal(err)
	}
	if !o.good() || o.report.Counts.Events == 0 || !strings.Contains(output.String(), "SIGKILL 8") {
		t.Error("anomalies, or nothing was done")
	}
}
