package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

// arena is all that chaos needs: brokers and a farm behind proxies, and instances between them.
type arena struct {
	dir       string
	kafka     *kafkatest.Cluster
	farm      *farmtest.Server
	brokers   []*proxy
	traffic   traffic // to all of them
	api       *proxy
	instances []*instance
	owners    *owners
	harms     harms
	acts      sync.WaitGroup // what goes on beside the plan: brokers on their way up, frozen connections
}

// chaosRetention is how long the farm knows a session after its end: pages must not grow for ever.
const chaosRetention = 3 * time.Minute

func openArena(ctx context.Context, c *chaosCmd, dir string) (*arena, error) {
	a := &arena{dir: dir, owners: newOwners()}
	if err := a.open(ctx, c); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *arena) open(ctx context.Context, c *chaosCmd) error {
	binary := c.Farmwire
	if binary == "" {
		binary = filepath.Join(a.dir, "farmwire")
		if err := buildFarmwire(ctx, binary); err != nil {
			return err
		}
	}
	if err := a.openKafka(ctx, c.Brokers); err != nil {
		return err
	}
	if c.LateEnds > 0 {
		if err := a.splitState(ctx); err != nil {
			return err
		}
	}
	a.farm = farmtest.New(chaosFarm(c, filepath.Join(a.dir, "truth.jsonl")))
	if err := a.farm.Start(""); err != nil {
		return err
	}
	var err error
	if a.api, err = openProxy(a.farm.URL()[len("http://"):]); err != nil {
		return err
	}
	for n := range c.Instances {
		if err := a.openInstance(c, binary, n); err != nil {
			return err
		}
	}
	return nil
}

// openKafka starts brokers that clients find behind proxies, and that are quick to notice a death.
func (a *arena) openKafka(ctx context.Context, brokers int) error {
	a.brokers = make([]*proxy, brokers)
	var failed error
	var err error
	a.kafka, err = kafkatest.StartApache(ctx, kafkatest.Options{
		Brokers: brokers,
		Properties: map[string]string{
			"group.min.session.timeout.ms": "500",
			"broker.session.timeout.ms":    "4000", "broker.heartbeat.interval.ms": "500",
			// so that the state topic is really compacted while it is read
			"log.roll.ms": "5000", "log.cleaner.min.cleanable.ratio": "0.01", "log.cleaner.delete.retention.ms": "2000",
		},
		Advertise: func(broker int, addr string) string {
			if old := a.brokers[broker]; old != nil {
				old.Close()
			}
			p, err := openBrokerProxy(addr, &a.traffic)
			if err != nil {
				failed = err
				return addr
			}
			a.brokers[broker] = p
			return p.addr()
		},
	})
	return errors.Join(err, failed)
}

func chaosFarm(c *chaosCmd, truth string) farmtest.Config {
	farm := farmtest.Config{Seed: c.Seed, Forget: 5 * time.Minute}
	if c.Faults != "none" {
		farm = farmtest.AllFaults(c.Seed)
	}
	if c.Faults == "all" {
		farm.Faults = farmtest.Without(farm.Faults, farmtest.StaleEnds, farmtest.StaleStatuses)
	}
	if more, err := chaosFaults(c.Fault); err == nil { // Validate has seen to it
		farm.Faults = append(farm.Faults, more...)
	}
	farm.PageSize, farm.Churn = c.PageSize, c.Churn
	farm.Workers, farm.Sessions, farm.Fleets = c.Workers, c.Workers*3/2, 3
	farm.Speed, farm.Grace, farm.Retention, farm.TruthFile = c.Speed, c.Grace, chaosRetention, truth
	return farm
}

// chaosFaults reads the values of --fault.
func chaosFaults(values []string) ([]farmtest.Fault, error) {
	var faults []farmtest.Fault
	for _, value := range values {
		fault, operation, _ := strings.Cut(value, "@")
		more, err := parseFault(fault)
		if err != nil {
			return nil, fmt.Errorf("--fault %s: %w", value, err)
		}
		for i := range more {
			more[i].Operation = farmtest.Operation(operation)
		}
		faults = append(faults, more...)
	}
	return faults, nil
}

func (a *arena) openInstance(c *chaosCmd, binary string, n int) error {
	log, err := os.Create(filepath.Join(a.dir, fmt.Sprintf("farmwire-%d.log", n)))
	if err != nil {
		return err
	}
	listen, err := freeAddress()
	if err != nil {
		return err
	}
	i := &instance{number: n, binary: binary, listen: listen, log: log, owners: a.owners, harms: &a.harms, done: make(chan struct{})}
	i.args = []string{"run", "--create-topics", "--replication-factor", strconv.Itoa(c.Brokers), "--partitions", strconv.Itoa(shards),
		"--topic-prefix", topicPrefix, "--session-timeout", c.SessionTimeout.String(), "--api-rate", fmt.Sprint(c.APIRate),
		"--staleness", "1s", "--discovery", "3s", "--listen", listen, "--log-format", "json", "--initial", c.Initial}
	for _, p := range a.brokers {
		i.args = append(i.args, "--brokers", p.addr())
	}
	if c.Static {
		i.args = append(i.args, "--instance-id", fmt.Sprintf("chaos-%d", n))
	}
	i.env = append(os.Environ(), "AWS_ENDPOINT_URL_DEADLINE=http://"+a.api.addr(), "AWS_REGION="+region,
		"AWS_SECRET_ACCESS_KEY=chaos", "AWS_EC2_METADATA_DISABLED=true")
	a.instances = append(a.instances, i)
	go i.live()
	return nil
}

// freeAddress is a loopback address that is free now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// buildFarmwire builds the command of this module.
func buildFarmwire(ctx context.Context, to string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", to, "farmwire/cmd/farmwire")
	said, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build farmwire (or name one by --farmwire): %w\n%s", err, said)
	}
	return nil
}

// Close ends everything that was started, and waits for it.
func (a *arena) Close() error {
	a.acts.Wait()
	for _, i := range a.instances {
		i.end()
		i.log.Close()
	}
	var errs []error
	if a.api != nil {
		a.api.Close()
	}
	if a.farm != nil {
		errs = append(errs, a.farm.Close())
	}
	for _, p := range a.brokers {
		if p != nil {
			p.Close()
		}
	}
	if a.kafka != nil {
		errs = append(errs, a.kafka.Close())
	}
	return errors.Join(errs...)
}
