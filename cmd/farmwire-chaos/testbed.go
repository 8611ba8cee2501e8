package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/proxy"
	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

// testbed is everything that a campaign needs: Kafka brokers and a farm, each behind proxies, and instances of farmwire
// between them.
type testbed struct {
	dir           string
	binary        string // farmwire
	publicKey     string // of the instances
	partitions    int    // of the topics
	kafka         *kafkatest.Cluster
	addresses     []string // of the brokers behind their proxies
	farm          *farmtest.Server
	listings      listings // of the workers of the farm
	brokers       []*proxy.Proxy
	interceptor   proxy.Interceptor // of requests to all brokers
	api           *proxy.Proxy
	instances     []*instance.Instance
	credentials   string         // URL of an endpoint with credentials; "": the instances have static ones
	separateSeeds bool           // the instances do not get the addresses that brokers advertise
	seeds         []*proxy.Proxy // the bootstrap addresses if they are separate
	shards        *instance.Shards
	log           disturbanceLog
	endedBefore   []string       // files with the records of .ended topics that were deleted, the oldest first
	background    sync.WaitGroup // disturbances that go on while others follow
}

func openTestbed(ctx context.Context, f *flags, dir string) (*testbed, error) {
	t := &testbed{dir: dir, partitions: instance.ShardCount, shards: instance.NewShards()}
	if err := t.open(ctx, f); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

func (t *testbed) open(ctx context.Context, f *flags) error {
	if t.binary = f.Farmwire; t.binary == "" {
		t.binary = filepath.Join(t.dir, "farmwire")
		if err := instance.Build(ctx, t.binary); err != nil {
			return fmt.Errorf("%w\n--farmwire names one that is built already", err)
		}
	}
	if err := t.makeKey(ctx); err != nil {
		return err
	}
	if err := t.openKafka(ctx, f.Brokers); err != nil {
		return err
	}
	farm := farmOf(f, t.dir)
	farm.Observer = t.listings.observe
	t.farm = farmtest.New(farm)
	if err := t.farm.Start(""); err != nil {
		return err
	}
	var err error
	if t.api, err = proxy.Open(t.farm.URL()[len("http://"):]); err != nil {
		return err
	}
	seeds, err := t.openSeeds()
	if err != nil {
		return err
	}
	for n := range f.Instances {
		if err := t.startInstance(f, seeds, n); err != nil {
			return err
		}
	}
	return nil
}

// openKafka starts brokers that clients reach through proxies, and that soon notice the death of clients and brokers.
func (t *testbed) openKafka(ctx context.Context, brokers int) error {
	t.brokers, t.addresses = make([]*proxy.Proxy, brokers), make([]string, brokers)
	var failed error
	var err error
	t.kafka, err = kafkatest.StartApache(ctx, kafkatest.Options{
		Brokers: brokers,
		Properties: map[string]string{
			"group.min.session.timeout.ms": "500",
			"broker.session.timeout.ms":    "4000", "broker.heartbeat.interval.ms": "500",
			// The state topic is to be compacted while it is read.
			"log.roll.ms": "5000", "log.cleaner.min.cleanable.ratio": "0.01", "log.cleaner.delete.retention.ms": "2000",
		},
		Advertise: func(broker int, addr string) string {
			if old := t.brokers[broker]; old != nil {
				old.Close()
			}
			p, err := t.interceptor.Open(addr)
			if err != nil {
				failed = err
				return addr
			}
			t.brokers[broker], t.addresses[broker] = p, addr
			return p.Addr()
		},
	})
	return errors.Join(err, failed)
}

// openSeeds returns the bootstrap addresses. If they are separate, these are two at most, so that some brokers are none.
func (t *testbed) openSeeds() ([]string, error) {
	seeds := t.brokers
	if t.separateSeeds {
		for _, address := range t.addresses[:min(2, len(t.addresses))] {
			seed, err := proxy.Open(address)
			if err != nil {
				return nil, err
			}
			t.seeds = append(t.seeds, seed)
		}
		seeds = t.seeds
	}
	var addresses []string
	for _, p := range seeds {
		addresses = append(addresses, p.Addr())
	}
	return addresses, nil
}

func (t *testbed) startInstance(f *flags, seeds []string, n int) error {
	cfg := instance.Config{
		Number: n, Binary: t.binary, Brokers: seeds, Partitions: t.partitions, ReplicationFactor: f.Brokers,
		Endpoint: "http://" + t.api.Addr(), Credentials: t.credentials,
		LogFile: filepath.Join(t.dir, fmt.Sprintf("farmwire-%d.log", n)), Shards: t.shards, LifeEnding: t.log.lifeEnding,
		Flags: []string{"--session-timeout", f.SessionTimeout.String(), "--api-rate", fmt.Sprint(f.APIRate[n%len(f.APIRate)]),
			"--staleness", f.Staleness.String(), "--discovery", f.Discovery.String(), "--initial", f.Initial, "--gap-after", f.GapAfter.String(),
			"--signing-key-file", filepath.Join(t.dir, signingKey)},
	}
	if f.Static {
		cfg.Flags = append(cfg.Flags, "--instance-id", fmt.Sprintf("chaos-%d", n))
	}
	i, err := instance.Start(cfg)
	if err != nil {
		return err
	}
	t.instances = append(t.instances, i)
	return nil
}

// Close ends everything that was started, and waits for its end.
func (t *testbed) Close() error {
	t.background.Wait()
	for _, i := range t.instances {
		i.End()
	}
	var errs []error
	if t.api != nil {
		t.api.Close()
	}
	if t.farm != nil {
		errs = append(errs, t.farm.Close())
	}
	for _, p := range slices.Concat(t.brokers, t.seeds) {
		if p != nil {
			p.Close()
		}
	}
	if t.kafka != nil {
		errs = append(errs, t.kafka.Close())
	}
	return errors.Join(errs...)
}
