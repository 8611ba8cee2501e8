//go:build unix

// Package deploy holds what starts Farmwire for trials. It has only tests.
package deploy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"farmwire/publisher/kafkatest"
)

// The services of compose.yaml, run as processes with the images' entry points, and with the file's commands, variables and
// volumes, show the ends of sessions of the simulated farm, are ready, and stop within their time.
func TestServices(t *testing.T) {
	file := readFile(t, map[string]string{"AWS_PROFILE": "mine", "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "mine"})
	w := newWorld(t)
	farm := w.start(t, file, "farm")
	trigger := w.start(t, file, "trigger") // before there are topics, as it may be with docker compose
	if trigger.lines.Scan() {
		t.Fatalf("without topics the trigger prints %s", trigger.lines.Text())
	}
	run := w.start(t, file, "farmwire")
	for range 100 { // docker compose starts it again
		if trigger = w.start(t, file, "trigger"); trigger.lines.Scan() {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	endOf(t, trigger.lines.Text())

	// Kafka keeps what it has when the farm begins anew.
	fleets, workers := w.fleets(t)
	farm.stop(t)
	again := time.Now()
	farm = w.start(t, file, "farm")
	for trigger.lines.Scan() && endOf(t, trigger.lines.Text()).Before(again) {
	}
	w.compareStarts(t, fleets, workers)
	run.ready(t)
	trigger.ready(t)
	for _, p := range []*service{trigger, run, farm} {
		p.stop(t)
	}
}

// endOf returns the time in a line that the trigger prints.
func endOf(t *testing.T, line string) time.Time {
	t.Helper()
	found := regexp.MustCompile(`^session-\w{32} ended at (20\S+) on worker-\w{32}$`).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("the trigger prints %q", line)
	}
	at, err := time.Parse(time.RFC3339, found[1])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// world is what the services need beside each other.
type world struct {
	bin, home   string
	farm        string            // its address
	replacement *strings.Replacer // of the hosts' names
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{bin: t.TempDir(), home: t.TempDir()}
	if out, err := exec.Command("go", "build", "-o", w.bin, "farmwire/cmd/farmwire", "farmwire/cmd/farmwire-demo").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	broker, err := kafkatest.FromEnv(t.Context(), kafkatest.Options{})
	if errors.Is(err, kafkatest.ErrNotAsked) {
		broker, err = kafkatest.StartFake(t.Context(), 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	w.farm = freeAddress(t)
	w.replacement = strings.NewReplacer("kafka:9094", strings.Join(broker.Addrs(), ","), "0.0.0.0:8000", w.farm, "farm:8000", w.farm)
	return w
}

// freeAddress returns a free address of loopback. Its port is below those that the system assigns to outgoing connections, so
// that none of these takes it before the service listens, or while it is down.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(22_000))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// service is a service of compose.yaml that runs as a process.
type service struct {
	name    string
	cmd     *exec.Cmd
	lines   *bufio.Scanner
	address string // of /readyz
	grace   time.Duration
}

// start starts a service of the file. It is killed after ten minutes, so that no test hangs.
func (w *world) start(t *testing.T, file composeFile, name string) *service {
	t.Helper()
	definition := file.Services[name]
	image := readImages(t)[definition.Build.Target]
	s := &service{name: name, address: freeAddress(t)}
	var err error
	if s.grace, err = time.ParseDuration(definition.StopGracePeriod + "0s"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	args := append(image.entryPoint, definition.Command...)
	for i, arg := range args {
		args[i] = w.replacement.Replace(arg)
	}
	s.cmd = exec.CommandContext(ctx, filepath.Join(w.bin, args[0]), args[1:]...)
	s.cmd.Stderr, s.cmd.WaitDelay = os.Stderr, time.Second
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	for name, value := range image.environment {
		s.cmd.Env = append(s.cmd.Env, name+"="+strings.Replace(value, ":8080", s.address, 1))
	}
	for name, value := range definition.Environment {
		s.cmd.Env = append(s.cmd.Env, name+"="+w.replacement.Replace(value))
	}
	if len(definition.Volumes) > 0 {
		s.cmd.Env = append(s.cmd.Env, "HOME="+w.mount(t, definition))
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = s.cmd.Wait() })
	s.lines = bufio.NewScanner(out)
	return s
}

// mount copies the folder that the service mounts into a home folder, and returns that.
func (w *world) mount(t *testing.T, definition composeService) string {
	t.Helper()
	from, to, _ := strings.Cut(definition.Volumes[0], ":")
	if len(definition.Volumes) != 1 || to != definition.Environment["HOME"]+"/.aws:ro" {
		t.Fatalf("volumes %q, home %q", definition.Volumes, definition.Environment["HOME"])
	}
	files, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(w.home, ".aws"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(from, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(w.home, ".aws", file.Name()), []byte(w.replacement.Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w.home
}

// ready waits until /readyz says so.
func (s *service) ready(t *testing.T) {
	t.Helper()
	for range 1200 {
		if response, err := http.Get("http://" + s.address + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%s is not ready within two minutes", s.name)
}

// stop stops the service as docker compose does, and wants a graceful end in time.
func (s *service) stop(t *testing.T) {
	t.Helper()
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for s.lines.Scan() {
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", s.name, err)
	}
	if took, grace := time.Since(began), max(s.grace, 10*time.Second); took > grace {
		t.Errorf("%s stopped after %s, and docker compose kills it after %s", s.name, took, grace)
	}
}
