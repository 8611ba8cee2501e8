package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"farmwire/cmd/command"
	"farmwire/internal/leaks"
)

// TestFarm serves the farm as the command does and asks it over HTTP.
func TestFarm(t *testing.T) {
	defer leaks.None(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	printed, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- program().Run(ctx, []string{"farm", "--workers", "3", "--fixed", "--sessions", "2", "--job-size", "50", "--truth", truth, "--faults", "unknown-fields=1"}, command.Streams{Out: out, Err: io.Discard})
		out.Close()
	}()

	lines := bufio.NewScanner(printed)
	lines.Scan()
	url, ok := strings.CutPrefix(lines.Text(), "AWS_ENDPOINT_URL_DEADLINE=")
	if !ok {
		t.Fatalf("the first line is %q", lines.Text())
	}
	for lines.Scan() && !strings.Contains(lines.Text(), "farmwire run") {
	}
	var answer struct{ Farms []struct{ FarmID string } }
	get(t, url+"/2023-10-12/farms", &answer)
	if len(answer.Farms) != 1 || answer.Farms[0].FarmID == "" {
		t.Errorf("farms: %+v", answer)
	}

	cancel()
	for lines.Scan() {
	}
	if c := <-code; c != command.ExitDone {
		t.Errorf("exit code %d", c)
	}
	written, err := os.ReadFile(truth)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(written), "\n"); n < 2 || !strings.Contains(string(written), `"farm":{`) {
		t.Errorf("the truth has %d lines:\n%s", n, written)
	}
}

// get asks for a JSON document.
func get(t *testing.T, url string, into any) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// TestUsage: what is wrong is refused with exit code 2 and one line before anything is started.
func TestUsage(t *testing.T) {
	for _, args := range []string{
		"--workers 0", "--speed 0", "--duration -1s", "--duration soon", "nonsense",
		"farm --workers 0", "farm --fleets 0", "farm --speed -1", "farm --faults nonsense",
		"farm --sessions -1", "farm --job-size -1", "farm --mean-session 0s", "farm --heartbeat 0s",
	} {
		var out, err strings.Builder
		if code := program().Run(t.Context(), strings.Fields(args), command.Streams{Out: &out, Err: &err}); code != command.ExitUsage {
			t.Errorf("%s: exit code %d", args, code)
		}
		if out.Len() > 0 || strings.Count(err.String(), "\n") != 1 {
			t.Errorf("%s prints %q and %q", args, out.String(), err.String())
		}
	}
	var out, err strings.Builder
	if program().Run(t.Context(), []string{"farm", "--help"}, command.Streams{Out: &out, Err: &err}); !strings.Contains(out.String(), "BatchGetWorker") {
		t.Errorf("farm --help prints %q", out.String())
	}
	if code := program().Run(t.Context(), []string{"--help"}, command.Streams{Out: &out, Err: &err}); code != command.ExitDone || err.Len() > 0 || !strings.Contains(out.String(), "farm ") {
		t.Errorf("--help: exit code %d, prints %q and %q", code, out.String(), err.String())
	}
}

// TestFarmOutputFails: what the farm cannot print ends it, because nobody would learn its address.
func TestFarmOutputFails(t *testing.T) {
	defer leaks.None(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, in := io.Pipe()
	out.Close()
	var said strings.Builder
	code := program().Run(ctx, []string{"farm"}, command.Streams{Out: in, Err: &said})
	if code != command.ExitFailed || said.String() != "farmwire-demo: io: read/write on closed pipe\n" || ctx.Err() != nil {
		t.Errorf("exit code %d, prints %q", code, said.String())
	}
}
