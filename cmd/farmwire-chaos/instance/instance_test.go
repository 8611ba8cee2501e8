package instance

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// Each process of an instance has an access key id of its own, and its end is told once, however it comes.
func TestLives(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	script := filepath.Join(t.TempDir(), "farmwire")
	if err := os.WriteFile(script, []byte("#!"+sh+"\n"+`echo "$AWS_ACCESS_KEY_ID" >&2; exec sleep 60`+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var ended []string
	i, err := Start(Config{Number: 7, Binary: script, LogFile: filepath.Join(t.TempDir(), "log"), Shards: NewShards(),
		LifeEnding: func(key string) {
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, key)
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.End)
	await := func(key string) {
		for deadline := time.Now().Add(time.Minute); i.LastLine() != key; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it says %q, not %q", i.LastLine(), key)
			}
		}
	}
	await(KeyOf(7, 1))
	i.Kill()
	await(KeyOf(7, 2))
	if i.Key() != KeyOf(7, 2) {
		t.Errorf("it lives as %s", i.Key())
	}
	i.Restart()
	await(KeyOf(7, 3))
	i.Stop()
	<-i.Done()
	mu.Lock()
	defer mu.Unlock()
	if want := []string{KeyOf(7, 1), KeyOf(7, 2), KeyOf(7, 3)}; !slices.Equal(ended, want) {
		t.Errorf("ends of %v, not %v", ended, want)
	}
	if own, codes := i.Ends(); own != 0 || len(codes) != 2 || i.Broken() != nil {
		t.Errorf("ended by itself %d times, exit codes %v, %v", own, codes, i.Broken())
	}
}

// The arguments of each process can be others than those of farmwire run. Nobody needs to learn of shards.
func TestArgs(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	i, err := Start(Config{Number: 7, Binary: sh, LogFile: filepath.Join(t.TempDir(), "log"),
		Args: func(address, key string) []string {
			return []string{"-c", `echo "$0 $1" >&2; exec sleep 60`, key, address}
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.End)
	for life := 1; life <= 2; life++ {
		want := KeyOf(7, life) + " " + i.Address()
		for deadline := time.Now().Add(time.Minute); i.LastLine() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it says %q, not %q", i.LastLine(), want)
			}
		}
		i.Kill()
	}
}

// An instance that ends at once is broken.
func TestBroken(t *testing.T) {
	i, err := Start(Config{Binary: "/nonexistent", LogFile: filepath.Join(t.TempDir(), "log"), Shards: NewShards()})
	if err != nil {
		t.Fatal(err)
	}
	<-i.Done()
	if err := i.Broken(); err == nil {
		t.Error("no error")
	}
}

func TestLineWriter(t *testing.T) {
	var lines []string
	w := &lineWriter{line: func(line []byte) { lines = append(lines, string(line)) }}
	for _, text := range []string{"a", "b\nc\n\nd", "e\nf"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	w.flush()
	if want := []string{"ab", "c", "", "de", "f"}; !slices.Equal(lines, want) {
		t.Errorf("%q", lines)
	}
}
