//go:build unix

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/diff"
)

// The DuckDB example sums the hours of each queue from what farmwire tail prints: of sessions that ended since the watch began,
// and of each once, though the file has every event twice.
func TestDuckDB(t *testing.T) {
	needsPython(t)
	s, dir := newSource(t), t.TempDir()
	before := change(5, diff.Ended, 2)
	before.Snapshot = true
	changes := append(ends(1, 2, 3), before, change(4, diff.Started, 1), change(4, diff.Vanished, 2))
	s.publish(t, kgo.TryAbort, ends(7, 8, 9)...)
	s.publish(t, kgo.TryCommit, changes...)
	tail := start(t, dir, nil, build(t, "farmwire/cmd/farmwire"), "tail", "--brokers", s.brokers, "--from", "24h", "--output", "jsonl")
	lines := strings.Join(tail.take(t, len(changes)), "\n") + "\n"
	if err := os.WriteFile(filepath.Join(dir, "ends.jsonl"), []byte(lines+lines), 0o600); err != nil {
		t.Fatal(err)
	}
	query, err := os.ReadFile("duckdb/hours.sql")
	if err != nil || strings.Count(string(query), "\n") != 5 {
		t.Fatalf("%v: %s", err, query)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import duckdb, sys; print(duckdb.sql(sys.stdin.read()).fetchall())")
	cmd.Dir, cmd.Stdin, cmd.WaitDelay = dir, strings.NewReader(string(query)), time.Second
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "[('queue-1', 2, 0.050277777777777775), ('queue-0', 1, 0.025138888888888888)]\n" {
		t.Errorf("DuckDB answers %s, %v", out, err)
	}
}
