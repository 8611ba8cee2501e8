//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

// loudRun is `farmwire run` at a farm where every listing fails, at the log level debug: its log fills any pipe.
type loudRun struct {
	t       *testing.T
	farm    *farmtest.Server
	cmd     *exec.Cmd
	address string
	stderr  *os.File // the reader's end
	ended   chan struct{}
}

func startLoudRun(t *testing.T, args ...string) *loudRun {
	t.Helper()
	farm := secretFarm(t)
	fleet := farm.Cloud().AddFarm("loud").AddFleet("loud")
	for range 300 {
		fleet.AddWorker()
	}
	// If all listings failed, few would be tried.
	farm.SetFaults(farmtest.Fault{Kind: farmtest.ServerError, Operation: farmtest.ListSessionsForWorker, Probability: 0.5})
	command, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	r := &loudRun{t: t, farm: farm, address: reserve(t), ended: make(chan struct{})}
	r.cmd = exec.Command(command, append([]string{"run", "--log-level", "debug", "--listen", r.address, "--api-rate", "3000", "--staleness", "10ms"}, args...)...)
	r.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_ENDPOINT_URL_DEADLINE=" + farm.URL(), "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=demo", "AWS_SECRET_ACCESS_KEY=demo", "AWS_EC2_METADATA_DISABLED=true",
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, nobody, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdout.Close() })
	r.stderr, r.cmd.Stderr, r.cmd.Stdout = reader, writer, nobody
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	nobody.Close()
	go func() {
		_ = r.cmd.Wait() // the exit code says it
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		reader.Close()
	})
	return r
}

// atKafka are the flags for an embedded broker.
func atKafka(t *testing.T) []string {
	t.Helper()
	broker, err := kafkatest.StartFake(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	return []string{"--brokers", strings.Join(broker.Addrs(), ","), "--create-topics", "--partitions", "1", "--replication-factor", "1", "--session-timeout", "6s"}
}

// listings is how many requests for listings the farm got.
func (r *loudRun) listings() (n int) {
	for _, count := range r.farm.Calls()[farmtest.ListSessionsForWorker] {
		n += count
	}
	return n
}

// page is the text of one of the program's pages, or empty if it cannot be had.
func (r *loudRun) page(path string) string {
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + r.address + path)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

func (r *loudRun) await(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-r.ended:
			r.t.Fatalf("it ended before %s: %v", what, r.cmd.ProcessState)
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("after 3 minutes it is not so that %s", what)
		}
	}
}

// drops is true once the program has counted lines that it dropped.
func (r *loudRun) drops() bool {
	page := r.page("/metrics")
	return strings.Contains(page, "\nfarmwire_log_lines_dropped_total ") && !strings.Contains(page, "\nfarmwire_log_lines_dropped_total 0\n")
}

// stops sends SIGTERM and wants the exit code within 5 s.
func (r *loudRun) stops(want int) {
	r.t.Helper()
	began := time.Now()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(10 * time.Second):
		r.t.Fatal("it does not end after SIGTERM")
	}
	if took := time.Since(began); took > 5*time.Second || r.cmd.ProcessState.ExitCode() != want {
		r.t.Errorf("exit code %d after %s, want %d", r.cmd.ProcessState.ExitCode(), took.Round(time.Millisecond), want)
	}
}

// goesOn wants n more listings.
func (r *loudRun) goesOn(n int) {
	r.t.Helper()
	before := r.listings()
	r.await(fmt.Sprintf("%d more listings were asked for", n), func() bool { return r.listings() > before+n })
}

// A log that nobody reads stops nothing: listings go on, and a stop is graceful.
func TestLogThatNobodyReads(t *testing.T) {
	t.Parallel()
	r := startLoudRun(t, atKafka(t)...)
	r.await("lines are dropped", r.drops)
	r.goesOn(500)
	r.stops(0)
}

// When a log is read again, it says how many lines were dropped, it goes on, and each of its lines is whole.
func TestLogThatIsReadAgain(t *testing.T) {
	t.Parallel()
	r := startLoudRun(t, atKafka(t)...)
	r.await("lines are dropped", r.drops)
	var lines []string
	var mu sync.Mutex
	var reading sync.WaitGroup
	reading.Go(func() {
		scanner := bufio.NewScanner(r.stderr)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			mu.Lock()
			lines = append(lines, scanner.Text())
			mu.Unlock()
		}
	})
	at := func(text string) int {
		mu.Lock()
		defer mu.Unlock()
		for i, line := range lines {
			if strings.Contains(line, text) {
				return i
			}
		}
		return -1
	}
	r.await("the log says that lines were dropped", func() bool { return at("log lines were dropped, because nothing could be written") >= 0 })
	r.stops(0)
	reading.Wait()
	if at("farmwire stopped gracefully") < at("log lines were dropped") {
		t.Error("the log ends before the stop")
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, `{"level":"`) || !strings.HasSuffix(line, "}") {
			t.Errorf("a line is torn: %s", line)
		}
	}
}

// A reader of the log that goes away ends nothing.
func TestLogWhoseReaderIsGone(t *testing.T) {
	t.Parallel()
	r := startLoudRun(t, atKafka(t)...)
	r.goesOn(100)
	r.stderr.Close()
	r.await("lines are dropped", r.drops)
	r.goesOn(500)
	r.stops(0)
}

// A client that asks for metrics and does not read them does not hold up a stop, and neither do both streams at once.
func TestStopWhileNobodyReadsAnything(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"run": atKafka(t), "dry run": {"--dry-run", "--initial", "all"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startLoudRun(t, args...)
			r.await("lines are dropped", r.drops)
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 5000)) // it blocks when the answers are not read
			r.stops(0)
		})
	}
}

// A second signal ends the process at once, even if nobody reads its streams.
func TestSecondSignalWhileNobodyReads(t *testing.T) {
	t.Parallel()
	r := startLoudRun(t, "--dry-run", "--initial", "all")
	r.await("lines are dropped", r.drops)
	for range 400 {
		_ = r.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-r.ended:
			// The first signal alone would have it end with an exit code.
			if how := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !how.Signaled() || how.Signal() != syscall.SIGTERM {
				t.Errorf("the process ended otherwise: %v", r.cmd.ProcessState)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Error("the process did not end")
}

// The error of a command does not wait for a reader.
func TestErrorThatNobodyReads(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	defer writer.Close()
	fill(t, writer)
	command, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, "run", "--nonsense")
	cmd.Stderr = writer
	if _ = cmd.Run(); cmd.ProcessState.ExitCode() != exitUsage {
		t.Errorf("exit code %d", cmd.ProcessState.ExitCode())
	}
}

// fill writes to a pipe until it takes nothing more.
func fill(t *testing.T, writer *os.File) {
	t.Helper()
	if err := writer.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := writer.Write(make([]byte, 1<<10)); err != nil {
			return
		}
	}
}
