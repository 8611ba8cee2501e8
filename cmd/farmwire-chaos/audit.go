package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"farmwire/cmd/farmwire-chaos/instance"
)

// signingKey is the file in the testbed's folder with the key by which the instances sign.
const signingKey = "signing.key"

// makeKey makes the key by which the instances sign.
func (t *testbed) makeKey(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, t.binary, "audit", "keygen", "--name", "chaos", "--out", filepath.Join(t.dir, signingKey))
	public, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("make a key for checkpoints: %w", err)
	}
	t.publicKey = strings.TrimSpace(string(public))
	return nil
}

// audit runs farmwire audit on what was published, and reports whether it found nothing. Otherwise it prints what was found.
func (t *testbed) audit(ctx context.Context, out io.Writer) (bool, error) {
	const most = 5 * time.Minute
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, "audit", "--brokers", strings.Join(t.kafka.InnerAddrs(), ","),
		"--topic-prefix", instance.TopicPrefix, "--public-key", t.publicKey, "--every-signature")
	var text, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &log
	err := cmd.Run()
	const findings = 1 // the exit code
	var exit *exec.ExitError
	switch {
	case err == nil:
		summary, _, _ := strings.Cut(text.String(), "\n\n")
		fmt.Fprintf(out, "farmwire audit found nothing\n  %s\n", strings.ReplaceAll(summary, "\n", "\n  "))
		return true, nil
	case errors.As(err, &exit) && exit.ExitCode() == findings:
		fmt.Fprintf(out, "farmwire audit\n%s", &text)
		return false, nil
	}
	return false, fmt.Errorf("farmwire audit: %w\n%s", err, &log)
}
