package instance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// While a log is blocked the process waits for it, and its end is noticed all the same. Then the rest is read.
func TestBlockLog(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "farmwire")
	// The process writes much more than a pipe holds.
	text := "#!" + sh + "\n" + `echo '{"level":"warn","msg":"begins"}' >&2
while [ ! -e ` + dir + `/go ]; do sleep 0.01; done
n=0; while [ $n -lt 3000 ]; do echo '{"level":"info","msg":"0123456789012345678901234567890123456789012345678901234567890123456789"}' >&2; n=$((n+1)); done
echo the last word >&2
touch ` + dir + `/written; exec sleep 60` + "\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	i, err := Start(Config{Binary: script, LogFile: filepath.Join(dir, "log"), Shards: NewShards()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.End)
	until := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %q", what, i.LastLine())
			}
		}
	}
	written := func() bool { _, err := os.Stat(dir + "/written"); return err == nil }
	until("it does not begin", func() bool { return strings.Contains(i.LastLine(), "begins") })
	over := i.BlockLog()
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if written() {
		t.Error("it did not wait for its log")
	}
	over()
	until("it did not write all", written)
	until("not all was read", func() bool { return i.LastLine() == "the last word" })
	warnings := i.Warnings(time.Time{})
	if len(warnings) != 2 || warnings[0].Text != `{"level":"warn","msg":"begins"}` || warnings[1].Text != "the last word" {
		t.Errorf("%d warnings: %v", len(warnings), warnings)
	}
	if later := i.Warnings(time.Now()); later != nil {
		t.Errorf("warnings of the future: %v", later)
	}

	over = i.BlockLog()
	defer over()
	i.Restart()
	until("its end was not noticed", func() bool { return len(i.Stops()) == 1 })
	if s := i.Stops()[0]; s.Key != KeyOf(0, 1) || s.Code != -1 || s.Took <= 0 {
		t.Errorf("%+v", s)
	}
}

func TestMemory(t *testing.T) {
	if kib, ok := residentKiB([]byte("Name:\tfarmwire\nVmRSS:\t   12345 kB\nThreads:\t3\n")); kib != 12345 || !ok {
		t.Errorf("%d, %t", kib, ok)
	}
	for _, text := range []string{"", "VmRSS: much kB\n", "VmHWM: 12 kB\n"} {
		if _, ok := residentKiB([]byte(text)); ok {
			t.Errorf("%q has resident memory", text)
		}
	}
}
