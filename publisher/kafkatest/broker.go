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

// broker is one process of Apache Kafka, and what is needed to start it again.
type broker struct {
	id         int // Kafka's, from 1
	dir        string
	args       []string // of java
	ports      ports
	advertised string

	process *process.Process // nil: never started
}

// ports are those that one broker listens on; 0: not at all.
type ports struct {
	client, inner, controller, mutual int
}

func (b *broker) logFile() string { return filepath.Join(b.dir, fmt.Sprintf("broker-%d.log", b.id)) }

func (b *broker) start() error {
	if b.process.Running() {
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
	const patience = 20 * time.Second
	if err := b.process.Stop(patience); err != nil {
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
