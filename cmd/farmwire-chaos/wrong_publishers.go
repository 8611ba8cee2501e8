package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"farmwire/cmd/command"
	"farmwire/cmd/farmwire-chaos/check"
	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/wrong"
)

// tryWrong tries the wrong publishers that --wrong names, and says which of them the check catches.
func tryWrong(ctx context.Context, f *flags, out io.Writer) error {
	all, err := wrong.Publishers()
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	var table *wrong.Table
	if f.Table != "" {
		if table, err = wrong.OpenTable(ctx, f.Table, root); err != nil {
			return err
		}
	}
	trials := wrong.NewTrials(f.Seed, f.Right, table, func(ctx context.Context, p wrong.Publisher, seed uint64) (*check.Report, error) {
		return runWrong(ctx, f, p, seed, root)
	})
	tried, good := 0, 0
	for _, p := range all {
		if !slices.Contains(f.Wrong, "all") && !slices.Contains(f.Wrong, p.Name) {
			continue
		}
		tried++
		trial, err := trials.Try(ctx, p)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fmt.Fprintf(out, "%-10s %-28s %v\n", "FAILED", p.Name, err)
			continue
		case trial.Good():
			good++
		}
		fmt.Fprintln(out, trial)
	}
	fmt.Fprintf(out, "%d of %d as they should be\n", good, tried)
	if tried == 0 {
		return fmt.Errorf("there is no wrong publisher %s", strings.Join(f.Wrong, ", "))
	}
	if good < tried {
		return command.ErrReported
	}
	return nil
}

// runWrong builds a publisher and runs its campaign, whose output is only shown if it fails.
func runWrong(ctx context.Context, f *flags, p wrong.Publisher, seed uint64, root string) (*check.Report, error) {
	dir, err := os.MkdirTemp("", "farmwire-wrong-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	own, err := parseFlags(p.Flags)
	if err != nil {
		return nil, err
	}
	overlay, err := p.Overlay(root, dir)
	if err != nil {
		return nil, err
	}
	own.Farmwire = filepath.Join(dir, "farmwire")
	if err := instance.Build(ctx, own.Farmwire, "-overlay", overlay); err != nil {
		return nil, err
	}
	// What is found must be wrong, not only late. After a campaign of a minute farmwire catches up within seconds.
	const enough = 10 * time.Second
	own.Seed, own.Settle = seed, min(f.Settle, enough)
	var output bytes.Buffer
	o, err := runCampaign(ctx, own, &output, dir)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, output.String())
	}
	return o.report, nil
}

// moduleRoot is the folder of this module's sources.
func moduleRoot(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "farmwire").Output()
	if err != nil {
		return "", fmt.Errorf("find the sources of farmwire (run this inside of them): %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}
