// Command picture draws docs/demo.svg, the picture in the README, from a real run of the demo:
//
//	go run ./docs/picture
//
// It builds and runs farmwire-demo for some seconds at a fixed width and with colour, keeps the
// introduction, the last events and the account, and draws them as a terminal.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// command is the grammar of the command line.
type command struct {
	Out      string        `default:"docs/demo.svg" help:"The file to write."`
	Duration time.Duration `default:"20s" help:"How long the demo runs."`
	Width    int           `default:"100" help:"Width of the terminal that the demo is told, in characters."`
	Events   int           `default:"24" help:"The most events to show; the last ones are kept."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var c command
	kong.Parse(&c, kong.Description("Draw the picture of the demo in the README."))
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

// run runs the demo and writes the picture.
func (c command) run(ctx context.Context) error {
	output, err := runDemo(ctx, c.Duration, c.Width)
	if err != nil {
		return err
	}
	if !bytes.Contains(output, []byte("\x1b[")) {
		return errors.New("the demo printed no colour: it must honour CLICOLOR_FORCE")
	}
	lines, err := excerpt(strings.Split(strings.TrimRight(string(output), "\n"), "\n"), c.Events)
	if err != nil {
		return err
	}
	var screen [][]span
	for _, line := range lines {
		screen = append(screen, parseLine(line))
	}
	picture := draw(screen)
	fmt.Printf("%s: %d lines, %d bytes\n", c.Out, len(screen), len(picture))
	return os.WriteFile(c.Out, picture, 0o644)
}

// runDemo builds the demo and returns what it prints in a run. It fails if the demo does, so that
// no picture shows a missed event.
func runDemo(ctx context.Context, duration time.Duration, width int) ([]byte, error) {
	dir, err := os.MkdirTemp("", "farmwire-picture")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	demo := filepath.Join(dir, "farmwire-demo")
	build := exec.CommandContext(ctx, "go", "build", "-o", demo, "farmwire/cmd/farmwire-demo")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build the demo: %w", err)
	}
	show := exec.CommandContext(ctx, demo, "--duration", duration.String())
	show.Env = append(os.Environ(), "CLICOLOR_FORCE=1", "COLUMNS="+strconv.Itoa(width), "NO_COLOR=", "TERM=xterm-256color")
	show.Stderr = os.Stderr
	output, err := show.Output()
	if err != nil {
		return nil, fmt.Errorf("run the demo: %w", err)
	}
	return output, nil
}

// excerpt keeps what fits into a picture: everything before the first event, the last events, and
// everything after them. A line with an ellipsis stands for the events that were left out.
func excerpt(lines []string, most int) ([]string, error) {
	event := regexp.MustCompile(`^(\x1b\[[0-9;]*m)*\d\d:\d\d:\d\d\b`)
	first, last := -1, -1
	for i, line := range lines {
		if event.MatchString(line) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return nil, errors.New("the demo printed no events")
	}
	kept := append([]string{}, lines[:first]...)
	if from := last + 1 - most; from > first {
		kept = append(kept, "…")
		first = from
	}
	return append(kept, lines[first:]...), nil
}
