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

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"farmwire/poller/farmtest"
)

// TestFarm serves the farm as the command does and asks it over HTTP.
func TestFarm(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	printed, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"farm", "--workers", "3", "--truth", truth, "--faults", "unknown-fields=1"}, streams{out, io.Discard})
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
	if c := <-code; c != exitDone {
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

func TestFaulty(t *testing.T) {
	got, err := faulty(7, []string{"cut", "slow=0.5", "throttled=1/3s"})
	if err != nil {
		t.Fatal(err)
	}
	want := farmtest.Config{Seed: 7, Faults: []farmtest.Fault{
		{Kind: farmtest.Cut, Probability: 0.003},
		{Kind: farmtest.Slow, Probability: 0.5, Delay: 2 * time.Second},
		{Kind: farmtest.Throttled, Probability: 1, Delay: 3 * time.Second},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if all, err := faulty(7, []string{"all"}); err != nil || cmp.Diff(farmtest.AllFaults(7), all) != "" {
		t.Errorf("all: %+v, %v", all, err)
	}
	for _, wrong := range []string{"", "nonsense", "slow=", "slow=0", "slow=1.1", "slow=NaN", "slow=0.1/", "slow=0.1/soon", "slow=0.1/-1s"} {
		if _, err := faulty(7, []string{wrong}); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if _, err := faulty(7, []string{"cut", "all"}); err == nil {
		t.Error("all beside another is accepted")
	}
}

// TestUsage: what is wrong is refused with exit code 2 and one line before anything is started.
func TestUsage(t *testing.T) {
	for _, args := range []string{
		"--workers 0", "--speed 0", "--duration -1s", "--duration soon", "nonsense",
		"farm --workers 0", "farm --fleets 0", "farm --speed -1", "farm --faults nonsense",
	} {
		var out, err strings.Builder
		if code := run(t.Context(), strings.Fields(args), streams{&out, &err}); code != exitUsage {
			t.Errorf("%s: exit code %d", args, code)
		}
		if out.Len() > 0 || strings.Count(err.String(), "\n") != 1 {
			t.Errorf("%s prints %q and %q", args, out.String(), err.String())
		}
	}
	var out, err strings.Builder
	if code := run(t.Context(), []string{"--help"}, streams{&out, &err}); code != exitDone || err.Len() > 0 || !strings.Contains(out.String(), "farm ") {
		t.Errorf("--help: exit code %d, prints %q and %q", code, out.String(), err.String())
	}
}
