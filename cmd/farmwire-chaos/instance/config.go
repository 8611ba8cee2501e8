package instance

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
)

// Settings that all instances share. ShardCount is the usual number of partitions.
const (
	Region      = "eu-west-1"
	TopicPrefix = "deadline.sessions"
	ShardCount  = 12
)

// Config says how to run an instance.
type Config struct {
	Number            int      // tells the instances of one cluster apart
	Binary            string   // path of farmwire
	Brokers           []string // host:port each
	Partitions        int      // of the topics, which the instance creates
	ReplicationFactor int      // of the topics
	Endpoint          string   // URL of the Deadline Cloud API
	Flags             []string // further flags of farmwire run

	// Args, if not nil, returns the arguments of farmwire instead of those of farmwire run, for an address to serve probes and
	// metrics on, and the key of the process (KeyOf).
	Args func(address, key string) []string

	LogFile string // receives the JSON lines of all processes

	// Credentials, if not "", is the URL of an endpoint like that of a container, which answers at <URL>/<access key id>
	// with the keys of one process. Without it the keys are in the process's environment, and last forever.
	Credentials string

	Shards *Shards // learns which shards the instance acquires; nil: nobody does

	// LifeEnding, if not nil, is called once for each process, with its access key id: before the process is killed or
	// asked to stop, or when it has ended by itself. It must not call the instance.
	LifeEnding func(key string)
}

func (c Config) args(address, key string) []string {
	if c.Args != nil {
		return c.Args(address, key)
	}
	args := []string{"run", "--create-topics", "--replication-factor", strconv.Itoa(c.ReplicationFactor),
		"--partitions", strconv.Itoa(c.Partitions), "--topic-prefix", TopicPrefix, "--listen", address, "--log-format", "json"}
	for _, broker := range c.Brokers {
		args = append(args, "--brokers", broker)
	}
	return append(args, c.Flags...)
}

// env is the environment of the process with the access key id.
func (c Config) env(key string) []string {
	env := append(os.Environ(), "AWS_ENDPOINT_URL_DEADLINE="+c.Endpoint, "AWS_REGION="+Region, "AWS_EC2_METADATA_DISABLED=true")
	if c.Credentials != "" {
		return append(env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_CONTAINER_CREDENTIALS_FULL_URI="+c.Credentials+"/"+key)
	}
	return append(env, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY=chaos")
}

// KeyOf is the access key id of one process of an instance. Processes are counted from 1. By the id the farm knows
// which process has made a call.
func KeyOf(number, life int) string { return fmt.Sprintf("chaos-%d-%d", number, life) }

// reserveAddress returns a loopback address that no process listens on. A connection to it stays open until release is called. As
// long as there is one, the system gives the port to nobody who asks for any free one, but still to the processes of an instance,
// which ask for this one, one after the other.
func reserveAddress() (address string, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return "", nil, err
	}
	here, err := l.Accept()
	if err != nil {
		there.Close()
		return "", nil, err
	}
	return l.Addr().String(), func() { here.Close(); there.Close() }, nil
}

// Build builds farmwire from the sources of this module with further flags of go build, and writes it to the path to.
func Build(ctx context.Context, to string, flags ...string) error {
	args := append(append([]string{"build"}, flags...), "-o", to, "farmwire/cmd/farmwire")
	output, err := exec.CommandContext(ctx, "go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build farmwire: %w\n%s", err, output)
	}
	return nil
}
