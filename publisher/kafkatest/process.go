package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// broker is one process of Apache Kafka, and what is needed to start it again.
type broker struct {
	id         int // Kafka's, from 1
	dir        string
	args       []string // of java
	ports      ports
	advertised string

	process *os.Process
	ended   chan struct{} // closed when the process has ended; nil: never started
}

// ports are those that one broker listens on; 0: not at all.
type ports struct {
	client, inner, controller, mutual int
}

func (b *broker) logFile() string { return filepath.Join(b.dir, fmt.Sprintf("broker-%d.log", b.id)) }

// start starts the process. The kernel sends the parent-death signal when the thread ends that started the
// child, so one goroutine keeps that thread until the child has ended.
func (b *broker) start() error {
	if b.running() {
		return fmt.Errorf("broker %d runs already", b.id)
	}
	logs, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	defer logs.Close()
	java, err := javaCommand()
	if err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	cmd := exec.Command(java, b.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, logs, logs
	cmd.SysProcAttr = processAttributes()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	b.process, b.ended = cmd.Process, ended
	return nil
}

func (b *broker) running() bool {
	if b.ended == nil {
		return false
	}
	select {
	case <-b.ended:
		return false
	default:
		return true
	}
}

func (b *broker) kill() error {
	if !b.running() {
		return nil
	}
	if err := b.process.Kill(); err != nil && b.running() {
		return fmt.Errorf("kill broker %d: %w", b.id, err)
	}
	<-b.ended
	return nil
}

func (b *broker) stop() error {
	if !b.running() {
		return nil
	}
	if err := b.process.Signal(syscall.SIGTERM); err != nil {
		return b.kill()
	}
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	select {
	case <-b.ended:
		return nil
	case <-deadline.C:
		return b.kill()
	}
}

func (b *broker) pause() error {
	if err := pauseProcess(b.process); err != nil {
		return fmt.Errorf("pause broker %d: %w", b.id, err)
	}
	return nil
}

func (b *broker) resume() error {
	if err := resumeProcess(b.process); err != nil {
		return fmt.Errorf("resume broker %d: %w", b.id, err)
	}
	return nil
}

// lastWords is the end of the broker's log, for an error.
func (b *broker) lastWords() string {
	text, err := os.ReadFile(b.logFile())
	if err != nil {
		return err.Error()
	}
	const enough = 2000
	if len(text) > enough {
		text = text[len(text)-enough:]
	}
	return strings.TrimSpace(string(text))
}

func javaCommand() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("Apache Kafka needs Java 17 or later on the PATH, or FARMWIRE_TEST_KAFKA=host:port of a broker that runs: %w", err)
	}
	return java, nil
}
