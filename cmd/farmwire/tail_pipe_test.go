//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
	"farmwire/consumer"
	"farmwire/publisher"
	"farmwire/publisher/kafkatest"
)

// tailing is a process of `farmwire tail` at an embedded broker.
type tailing struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     bytes.Buffer
	brokers []string
	ended   chan struct{}
}

// newTailing prepares the process, and creates the topics.
func newTailing(t *testing.T, args ...string) *tailing {
	t.Helper()
	broker, err := kafkatest.StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	cfg := publisher.Config{Cluster: cluster.Config{Brokers: broker.Addrs()}, TopicPrefix: "deadline.sessions"}
	if _, err := publisher.CreateTopics(t.Context(), cfg, publisher.TopicSpec{Partitions: 4, ReplicationFactor: 1}); err != nil {
		t.Fatal(err)
	}
	command, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	p := &tailing{t: t, brokers: broker.Addrs(), ended: make(chan struct{})}
	p.cmd = exec.Command(command, append([]string{"tail", "--brokers", strings.Join(broker.Addrs(), ",")}, args...)...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	p.cmd.Stderr = &p.log
	return p
}

func (p *tailing) start() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // the exit code says it
		close(p.ended)
	}()
	p.t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.ended })
}

// publish writes records to the events topic.
func (p *tailing) publish(records ...consumer.Record) {
	p.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		p.t.Fatal(err)
	}
	defer client.Close()
	var batch []*kgo.Record
	for _, r := range records {
		record := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		batch = append(batch, record)
	}
	if err := client.ProduceSync(p.t.Context(), batch...).FirstErr(); err != nil {
		p.t.Fatal(err)
	}
}

// wantEnd wants the process to end soon, with code 0 and without a word.
func (p *tailing) wantEnd() {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		p.t.Fatal("it goes on")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 || p.log.Len() > 0 {
		p.t.Errorf("%s, stderr %q", p.cmd.ProcessState, &p.log)
	}
}

// brokenPipe is a writer whose reader is gone.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// A tail that notices only when it writes that the reader is gone ends in the same way.
func TestTailWritesToAClosedPipe(t *testing.T) {
	p := newTailing(t)
	p.publish(nightShift()...)
	code := execute(t.Context(), []string{"tail", "--brokers", p.brokers[0], "--from", "beginning"}, &streams{strings.NewReader(""), brokenPipe{}, &p.log})
	if code != 0 || p.log.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, &p.log)
	}
}

// A tail whose output is a pipe ends when the reader is gone, though no event comes, and when there are more events than the
// reader wants.
func TestTailOfAClosedPipe(t *testing.T) {
	for name, more := range map[string]bool{"silence": false, "events": true} {
		t.Run(name, func(t *testing.T) {
			p := newTailing(t, "--output", "pretty", "--from", "beginning")
			records := nightShift()
			if more {
				for range 9 { // more than a pipe holds
					records = append(records, records...)
				}
			}
			p.publish(records...)
			out, err := p.cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			p.start()
			late := time.AfterFunc(3*time.Minute, func() { out.Close() })
			defer late.Stop()
			lines := bufio.NewScanner(out)
			for events := 0; events < len(nightShift()); {
				if !lines.Scan() {
					t.Fatalf("%v after %d events\n%s", lines.Err(), events, &p.log)
				}
				if strings.Contains(lines.Text(), ":") && lines.Text()[0] != ' ' {
					events++
				}
			}
			out.Close()
			p.wantEnd()
		})
	}
}
