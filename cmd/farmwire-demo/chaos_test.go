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
	c := &chaosCmd{Kills: 5, Stops: 3, BrokerKills: 2, Cuts: 4, Freezes: 2, Restarts: 1, Late: 3, LateEnds: 2, Unheard: 2}
	plan := func(seed uint64) []act { return planActs(c, rand.New(rand.NewPCG(seed, 7))) }
	if !slices.Equal(plan(1), plan(1)) {
		t.Error("one seed, two plans")
	}
	if slices.Equal(plan(1), plan(2)) {
		t.Error("two seeds, one plan")
	}
	if len(plan(1)) != 24 {
		t.Errorf("%d acts, not 24", len(plan(1)))
	}
	late := func(a act) bool { return a == actLate }
	if n := len(slices.DeleteFunc(plan(1), func(a act) bool { return !late(a) })); n != 3 {
		t.Errorf("%d late produces, not 3", n)
	}
	c.Late = 0
	if without := plan(1); slices.ContainsFunc(without, late) || len(without) != 21 || !slices.Contains(without, actEnd) {
		t.Errorf("without late produces: %v", without)
	}
}

// The flags that a report names make the same run again.
func TestReplay(t *testing.T) {
	c, err := chaosOf([]string{"--seed", "5", "--kills", "3", "--late", "2", "--late-ends", "4", "--unheard", "1", "--brokers", "3", "--static", "--judge-listings", "--calm", "4s", "--fault", "slow=0.5/1s"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := chaosOf(strings.Fields(c.flags()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, again); d != "" || again.Late != 2 || again.LateEnds != 4 || again.Unheard != 1 {
		t.Error(d)
	}
}

func TestOwners(t *testing.T) {
	o := newOwners()
	begun := time.Now().Add(-time.Second)
	o.line(0, []byte(`{"msg":"shard is followed","shard":3}`))
	o.line(0, []byte(`{"msg":"shard is followed","shard":4}`))
	o.line(1, []byte(`{"msg":"session started","shard":5}`))
	since := time.Now()
	shards := o.shards(0)
	if len(shards) != 2 || !o.acquiredSince(0, begun) || o.acquiredSince(1, begun) {
		t.Fatalf("instance 0 has %v", shards)
	}
	o.line(1, []byte(`{"msg":"shard is followed","shard":3}`))
	if o.taken(shards, 0, since) {
		t.Error("one of two shards is not all")
	}
	o.line(1, []byte(`{"msg":"shard is followed","shard":4}`))
	if !o.taken(shards, 0, since) {
		t.Error("both were taken over")
	}
}

// A short run of everything on Apache Kafka; the program does the same for hours.
func TestChaos(t *testing.T) {
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skip("needs brokers to kill: run with " + kafkatest.Variable + "=apache (Java 17 and Maven; nothing is installed)")
	}
	c, err := chaosOf([]string{"--kills", "8", "--stops", "2", "--broker-kills", "1", "--cuts", "2", "--freezes", "1", "--restarts", "1", "--settle", "10s"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var said bytes.Buffer
	v, err := c.run(ctx, &said, t.TempDir())
	t.Log(said.String())
	if err != nil {
		t.Fatal(err)
	}
	if !v.good() || v.report.Counts.Events == 0 || !strings.Contains(said.String(), "SIGKILL 8") {
		t.Error("anomalies, or nothing was done")
	}
}
