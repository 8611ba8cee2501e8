//go:build unix

package examples

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// startTrigger starts farmwire trigger from the beginning, with a command.
func startTrigger(t *testing.T, s *source, variables []string, args ...string) *process {
	t.Helper()
	all := append([]string{build(t, "farmwire/cmd/farmwire"), "trigger", "--brokers", s.brokers, "--from", "beginning", "--listen", "off"}, args...)
	return start(t, t.TempDir(), variables, all...)
}

// The Slack example posts what a person can read of each session that is over, whatever characters the names have. What Slack
// refuses goes to the dead-letter topic.
func TestSlack(t *testing.T) {
	s, posts := newSource(t), make(chan string, 10)
	slack := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var message map[string]string
		if err := json.Unmarshal(body, &message); err != nil || r.URL.Path != "/services/T0/B0/secret" || r.Header.Get("Content-Type") != "application/json" || len(message) != 1 {
			t.Errorf("%s %s: %s", r.URL, r.Header, body)
		}
		if strings.Contains(message["text"], "session-3") {
			w.WriteHeader(http.StatusBadRequest)
		}
		posts <- message["text"]
	}))
	defer slack.Close()
	p := startTrigger(t, s, []string{"SLACK_WEBHOOK_URL=" + slack.URL + "/services/T0/B0/secret"},
		"--include-vanished", "--concurrency", "1", "--attempts", "1", "--", folder(t, "slack/notify.sh"))

	const host = `"renderer 17" $(id) 'Zürich' \ &lt;&amp;&gt;`
	for n, over := range map[int]struct {
		kind diff.Kind
		what string
	}{1: {diff.Ended, "ended at %s"}, 2: {diff.Vanished, "is over, and nobody saw its end"}, 3: {diff.Ended, "ended at %s"}} {
		c := change(n, over.kind, 2)
		s.publish(t, kgo.TryCommit, change(n, diff.Started, 1), c)
		want := fmt.Sprintf("Session session-%d on %s ", n, host) + strings.Replace(over.what, "%s", c.Session.EndedAt.Format("2006-01-02T15:04:05.000Z"), 1) + " (job job-1)"
		if d := cmp.Diff(want, <-posts); d != "" {
			t.Errorf("posted (-want +got):\n%s", d)
		}
	}
	dead := deadLetters(t, s, "farmwire.trigger."+prefix+".ended", 1)
	p.stop(t)
	if !strings.Contains(dead, "session-3.000002") || !strings.Contains(dead, "400") {
		t.Errorf("dead letters: %s", dead)
	}
	if len(posts) > 0 {
		t.Errorf("one more post: %s", <-posts)
	}
}

// deadLetters waits until a trigger has given up so many events, and returns the list of them.
func deadLetters(t *testing.T, s *source, group string, n int) string {
	t.Helper()
	var out []byte
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); { // until the topic is there, the list is an error
		list := exec.CommandContext(t.Context(), build(t, "farmwire/cmd/farmwire"), "trigger", "dead-letters", "list", "--brokers", s.brokers, "--group", group, "--output", "jsonl")
		var err error
		if out, err = list.CombinedOutput(); err == nil && strings.Count(string(out), "\n") == n {
			return string(out)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("there are not %d dead letters: %s", n, out)
	return ""
}

// The sync-output example has a command line that AWS's tool takes, with the ids of the session that ended.
func TestSyncOutput(t *testing.T) {
	s, bin := newSource(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "deadline"), []byte("#!/bin/sh\necho \"$*\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.publish(t, kgo.TryCommit, ends(1)...)
	p := startTrigger(t, s, []string{"STORAGE_PROFILE_ID=sp-1", "PATH=" + bin + ":" + os.Getenv("PATH")},
		"--group", "download", "--queue", "queue-1", "--include-vanished", "--concurrency", "1", "--command-timeout", "6h", "--", folder(t, "sync-output/sync-output.sh"))
	want := []string{"queue sync-output --region eu-west-1 --farm-id farm-1 --queue-id queue-1 --storage-profile-id sp-1 --bootstrap-lookback-minutes 2880"}
	if d := cmp.Diff(want, p.take(t, 1)); d != "" {
		t.Errorf("ran (-want +got):\n%s", d)
	}
	p.stop(t)
}

// Every script is one that sh can read.
func TestScriptsAreValid(t *testing.T) {
	scripts, err := filepath.Glob("*/*.sh")
	if err != nil || len(scripts) != 2 {
		t.Fatalf("%v, %v", scripts, err)
	}
	for _, script := range scripts {
		if out, err := exec.Command("sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", script, out)
		}
	}
}
