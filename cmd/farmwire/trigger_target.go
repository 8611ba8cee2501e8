package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"farmwire/cluster"
	"farmwire/consumer/trigger"
)

// targetFlags say where events are delivered: to a command or to a webhook.
type targetFlags struct {
	Command []string `arg:"" optional:"" placeholder:"COMMAND" help:"Run this command for each event: -- COMMAND ARGS. It gets the event as JSON on stdin, and its fields as FARMWIRE_ variables."`

	Webhook           private       `placeholder:"URL" help:"Post each event to this URL, with https unless the host is this one. As it may be a secret, the variable FARMWIRE_WEBHOOK can hold it."`
	WebhookMode       string        `enum:"binary,structured" default:"binary" help:"Post CloudEvents in this mode: binary or structured."`
	WebhookSecretFile private       `placeholder:"FILE" help:"Sign what is posted, as Standard Webhooks does, by the secret in this file (whsec_…), or by two while one is replaced. The variable FARMWIRE_WEBHOOK_SECRET can hold them instead."`
	WebhookTimeout    time.Duration `default:"30s" help:"How long the webhook may take to answer."`
	CommandTimeout    time.Duration `default:"10m" help:"How long the command may run. Then it gets SIGTERM, and SIGKILL 10 seconds later."`
}

// check finds wrong flags.
func (f targetFlags) check() error {
	switch {
	case len(f.Command) == 0 && f.Webhook == "":
		return errors.New("there is nowhere to deliver to: give a command, as in farmwire trigger -- ./notify.sh, or --webhook")
	case len(f.Command) > 0 && f.Webhook != "":
		return errors.New("there are a command and --webhook: give one of them")
	case f.WebhookTimeout <= 0 || f.CommandTimeout <= 0:
		return errors.New("--webhook-timeout and --command-timeout must be above 0")
	}
	return nil
}

// target returns the target. A command passes its output on.
func (f targetFlags) target(std *streams) (trigger.Target, error) {
	if len(f.Command) > 0 {
		c, err := trigger.NewCommand(trigger.CommandConfig{Args: f.Command, Timeout: f.CommandTimeout, Stdout: std.out, Stderr: std.err})
		if err != nil {
			return nil, usageError{err}
		}
		return c, nil
	}
	secrets, err := f.secrets()
	if err != nil {
		return nil, usageError{err}
	}
	w, err := trigger.NewWebhook(trigger.WebhookConfig{
		URL: cluster.Secret(f.Webhook), Mode: trigger.ContentMode(f.WebhookMode), Secrets: secrets, Timeout: f.WebhookTimeout,
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("--webhook: %w", err)}
	}
	return w, nil
}

// secrets reads the secrets that sign, from the file or from the environment. Its errors quote neither.
func (f targetFlags) secrets() (secrets []cluster.Secret, err error) {
	text := os.Getenv("FARMWIRE_WEBHOOK_SECRET")
	if f.WebhookSecretFile != "" {
		read, err := os.ReadFile(string(f.WebhookSecretFile))
		if err != nil {
			return nil, fmt.Errorf("--webhook-secret-file must name a file that holds the secret: the file %s", cluster.Unreadable(err))
		}
		if text = string(read); strings.TrimSpace(text) == "" {
			return nil, errors.New("the file of --webhook-secret-file is empty: write the secret into it")
		}
	}
	for _, field := range strings.Fields(text) {
		secrets = append(secrets, cluster.Secret(field))
	}
	return secrets, nil
}
