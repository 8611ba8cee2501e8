package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/consumer/audit/audittest"
	"farmwire/event"
	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"farmwire": main})
}

// The scripts in testdata run the command as a user does. Each has a farm of one worker with an open session and
// an ended one ($FARM, $FLEET, $WORKER, $OPEN, $ENDED), at which the SDK is pointed; an address where nobody listens
// ($NOBODY), one where nobody answers ($SILENT); and these commands of its own:
//
//	fails CODE COMMAND...             wants the exit code, nothing on stdout and one line on stderr, not counting what the
//	                                  log says about the start
//	stops SIGNAL CODE TEXT COMMAND... sends the signal when the output shows the text, or all of several that & separates,
//	                                  or with - when $SILENT has got a connection, and wants the exit code within 5 s;
//	                                  the output is in the files out and log
//	kafka                             starts an embedded broker, $KAFKA
//	ends FROM TO                      publishes that the sessions session-FROM to session-TO have ended
//	publishes [KEY]                   writes topics with many events and heartbeats, which the private key in the file signs
//	forges                            changes an event in those topics, which begins with a new $KAFKA
//	refuse [OPERATION...]             from now on the farm answers every call, or those of the operations, with 403
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		Setup:         setUp,
		UpdateScripts: *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "stops": stops, "kafka": startKafka, "ends": ends, "refuse": refuse,
			"publishes": publishes, "forges": forges,
		},
	})
}

// The keys of what the commands above find in a script's environment.
type (
	farmKey   struct{}
	silentKey struct{}
)

// passed are the variables that stops hands to its command.
var passed = []string{
	"PATH", "HOME", "AWS_ENDPOINT_URL_DEADLINE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
	"AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "FARMWIRE_LISTEN", "FARMWIRE_SASL_PASSWORD",
}

func setUp(env *testscript.Env) error {
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		return err
	}
	env.Defer(func() { farm.Close() })
	env.Values[farmKey{}] = farm
	env.Values[worldKey{}] = new(audittest.Topics)
	site := farm.Cloud().AddFarm("studio")
	fleet := site.AddFleet("render")
	worker := fleet.AddWorker()
	job := site.AddJob(site.NewQueue())
	now := time.Now()
	ended := worker.AddHistory(job, now.Add(-2*time.Hour), now.Add(-time.Hour))
	open := worker.StartSessionAt(job, now.Add(-time.Minute))

	nobody, release, err := reserveAddress()
	if err != nil {
		return err
	}
	env.Defer(release)
	silent, err := newSilence()
	if err != nil {
		return err
	}
	env.Defer(func() { silent.Close() })
	env.Values[silentKey{}] = silent
	for name, value := range map[string]string{
		"FARM": site.ID(), "FLEET": fleet.ID(), "WORKER": worker.ID(), "OPEN": open.ID(), "ENDED": ended.ID(),
		"QUEUE": job.QueueID(), "NOBODY": nobody, "SILENT": silent.Addr().String(),
		"AWS_ENDPOINT_URL_DEADLINE": farm.URL(), "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_MAX_ATTEMPTS": "1", "FARMWIRE_LISTEN": "off",
	} {
		env.Setenv(name, value)
	}
	return nil
}

// reserve returns an address on which the program can listen, and nobody else does until the test ends.
func reserve(t *testing.T) string {
	t.Helper()
	address, release, err := reserveAddress()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

// reserveAddress returns an address on which nobody listens. A connection to it stays open until release is called. As long as
// there is one, the system gives the port to nobody who asks for any free one, as the many servers of other tests do, but still to
// who asks for this one.
func reserveAddress() (address string, release func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	defer listener.Close()
	there, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "", nil, err
	}
	here, err := listener.Accept()
	if err != nil {
		there.Close()
		return "", nil, err
	}
	return listener.Addr().String(), func() { here.Close(); there.Close() }, nil
}

// silence takes connections and answers nothing.
type silence struct {
	net.Listener
	taken atomic.Int64
}

func newSilence() (*silence, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &silence{Listener: listener}
	go func() {
		for {
			conn, err := s.Accept()
			if err != nil {
				return
			}
			s.taken.Add(1)
			defer conn.Close()
		}
	}()
	return s, nil
}

func startKafka(ts *testscript.TestScript, _ bool, _ []string) {
	broker, err := kafkatest.StartFake(context.Background(), 1)
	ts.Check(err)
	ts.Defer(func() { broker.Close() })
	ts.Setenv("KAFKA", strings.Join(broker.Addrs(), ","))
}

// ends writes to the ended topic as Farmwire does.
func ends(ts *testscript.TestScript, _ bool, args []string) {
	first, err := strconv.Atoi(args[0])
	ts.Check(err)
	last, err := strconv.Atoi(args[1])
	ts.Check(err)
	client, err := kgo.NewClient(kgo.SeedBrokers(ts.Getenv("KAFKA")), kgo.TransactionalID("ends"), kgo.DefaultProduceTopic("deadline.sessions.ended"))
	ts.Check(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ts.Check(client.BeginTransaction())
	for n := first; n <= last; n++ {
		d, err := madeUp(time.Now())
		ts.Check(err)
		c := d.Event.Change
		c.Session.SessionID = fmt.Sprintf("session-%d", n)
		r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Recorded: time.Now()})
		record := &kgo.Record{Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		ts.Check(client.ProduceSync(ctx, record).FirstErr())
	}
	ts.Check(client.EndTransaction(ctx, kgo.TryCommit))
}

// worldKey is the key of the topics that publishes has written.
type worldKey struct{}

// publishes writes topics as Farmwire does.
func publishes(ts *testscript.TestScript, _ bool, args []string) {
	var signers []note.Signer
	for _, file := range args {
		signer, err := note.NewSigner(strings.TrimSpace(ts.ReadFile(file)))
		ts.Check(err)
		signers = append(signers, signer)
	}
	w := audittest.NewWorld(2, signers...).Live(6)
	*ts.Value(worldKey{}).(*audittest.Topics) = w.Topics
	ts.Check(audittest.Write(context.Background(), strings.Split(ts.Getenv("KAFKA"), ","), w.Topics))
}

// forges copies the topics to a new cluster, with another queue in one event.
func forges(ts *testscript.TestScript, _ bool, _ []string) {
	forged := ts.Value(worldKey{}).(*audittest.Topics).Clone()
	r := forged["deadline.sessions.events"][0][3]
	r.Value = bytes.Replace(r.Value, []byte("queue-1"), []byte("queue-2"), 1)
	startKafka(ts, false, nil)
	ts.Check(audittest.Write(context.Background(), strings.Split(ts.Getenv("KAFKA"), ","), forged))
}

func refuse(ts *testscript.TestScript, _ bool, operations []string) {
	faults := []farmtest.Fault{{Kind: farmtest.Denied}}
	if len(operations) > 0 {
		faults = nil
	}
	for _, operation := range operations {
		faults = append(faults, farmtest.Fault{Kind: farmtest.Denied, Operation: farmtest.Operation(operation)})
	}
	ts.Value(farmKey{}).(*farmtest.Server).SetFaults(faults...)
}

func fails(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("%v, want exit code %d", err, want)
	}
	said := withoutStart(ts.ReadFile("stderr"))
	if ts.ReadFile("stdout") != "" || strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "farmwire: ") {
		ts.Fatalf("want nothing on stdout and one line on stderr")
	}
}

// withoutStart is what a command said on stderr, without what the log says about the start of run.
func withoutStart(said string) string {
	return regexp.MustCompile(`(?m)^\{"level":"info".*"(farmwire|trigger) started".*\n`).ReplaceAllString(said, "")
}

func stops(ts *testscript.TestScript, _ bool, args []string) {
	sent := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[0]]
	if signal.Ignored(sent) {
		sent = syscall.SIGTERM // under nohup the command ignores SIGHUP, as it should
	}
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	command, err := exec.LookPath(args[3])
	ts.Check(err)
	cmd := exec.Command(command, args[4:]...)
	for _, name := range passed {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	defer out.Close()
	log, err := os.Create(ts.MkAbs("log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = out, log

	silent := ts.Value(silentKey{}).(*silence)
	before := silent.taken.Load()
	ts.Check(cmd.Start())
	shown := func() bool {
		if args[2] == "-" {
			return silent.taken.Load() > before
		}
		said := ts.ReadFile("out") + ts.ReadFile("log")
		for text := range strings.SplitSeq(args[2], "&") {
			if !strings.Contains(said, text) {
				return false
			}
		}
		return true
	}
	deadline := time.Now().Add(3 * time.Minute)
	for !shown() && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(sent))
	began := time.Now()
	late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	_ = cmd.Wait() // the exit code says it
	if code, took := cmd.ProcessState.ExitCode(), time.Since(began); code != want || took > 5*time.Second {
		ts.Fatalf("exit code %d after %v, want %d\n%s", code, took, want, ts.ReadFile("log"))
	}
}
