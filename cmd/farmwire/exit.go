package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"farmwire/cluster"
)

// usageError is an error of wrong usage or configuration, which has its own exit code.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// untilInterrupted calls run and returns its error. When the context ends, it waits a moment for run and then returns the
// context's error, even if run goes on.
func untilInterrupted(ctx context.Context, run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(200 * time.Millisecond):
	}
	return ctx.Err()
}

// report prints an error as one line and returns the exit code for it.
func report(std *streams, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, cluster.ErrConfiguration):
		printError(std, err)
		return exitUsage
	default:
		printError(std, err)
		return exitFailed
	}
}

func printError(std *streams, err error) {
	fmt.Fprintf(std.err, "farmwire: %s\n", strings.ReplaceAll(withHint(err).Error(), "\n", "; "))
}
