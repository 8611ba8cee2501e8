package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"farmwire/publisher/kafkatest/process"
)

// broker is an Apache Kafka broker that can be started repeatedly, and its process.
type broker struct {
	id         int // Kafka's node id, from 1
	dir        string
	args       []string // for java
	ports      ports
	advertised string

	process *process.Process // nil if it was never started
}

// ports are the ports that one broker listens on. A cluster without security does not use the port mutual.
type ports struct {
	client, inner, controller, mutual int
}

func (b *broker) logFile() string { return filepath.Join(b.dir, fmt.Sprintf("broker-%d.log", b.id)) }

func (b *broker) start() error {
	if b.process.Running() {
		return fmt.Errorf("broker %d is already running", b.id)
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
	if b.process, err = process.Start(cmd); err != nil {
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	return nil
}

func (b *broker) kill() error {
	if !b.process.Running() {
		return nil
	}
	if err := b.process.End(); err != nil {
		return fmt.Errorf("kill broker %d: %w", b.id, err)
	}
	return nil
}

func (b *broker) stop() error {
	if !b.process.Running() {
		return nil
	}
	const timeout = 20 * time.Second
	if err := b.process.Stop(timeout); err != nil {
		return fmt.Errorf("stop broker %d: %w", b.id, err)
	}
	return nil
}

func (b *broker) pause() error {
	if err := b.process.Pause(); err != nil {
		return fmt.Errorf("pause broker %d: %w", b.id, err)
	}
	return nil
}

func (b *broker) resume() error {
	if err := b.process.Resume(); err != nil {
		return fmt.Errorf("resume broker %d: %w", b.id, err)
	}
	return nil
}

// logTail returns the end of the broker's log, for an error message.
func (b *broker) logTail() string {
	text, err := os.ReadFile(b.logFile())
	if err != nil {
		return err.Error()
	}
	const size = 2000
	if len(text) > size {
		text = text[len(text)-size:]
	}
	return strings.TrimSpace(string(text))
}

// javaCommand returns the path of java, from JAVA_HOME or the PATH.
func javaCommand() (string, error) {
	if home := os.Getenv("JAVA_HOME"); home != "" {
		return filepath.Join(home, "bin", "java"), nil
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("Apache Kafka needs Java 17 or later on the PATH, or FARMWIRE_TEST_KAFKA=host:port of a running broker: %w", err)
	}
	return java, nil
}
