package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"farmwire/cmd/farmwire-demo/check"
)

// writtenHarms are what is in the file that harms write.
func writtenHarms(t *testing.T, h *harms) []check.Harm {
	t.Helper()
	dir := t.TempDir()
	if err := h.write(dir); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, harmFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []check.Harm
	for lines := json.NewDecoder(file); lines.More(); {
		var one check.Harm
		if err := lines.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func TestHarms(t *testing.T) {
	h := &harms{}
	h.begin("death", "a")
	over := h.begin("broker", "")
	over(time.Hour)
	all := writtenHarms(t, h)
	if len(all) != 2 || all[0].What != "death" || all[0].By != "a" || all[0].From.IsZero() || !all[0].To.IsZero() {
		t.Fatalf("%+v", all)
	}
	if all[1].By != "" || all[1].To.Sub(all[1].From) < time.Hour {
		t.Errorf("%+v", all[1])
	}
}

// Each life of an instance has an access key id of its own, and its death is noted, however it comes.
func TestLivesOfAnInstance(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	h := &harms{}
	i := &instance{number: 7, binary: sh, args: []string{"-c", `echo "$AWS_ACCESS_KEY_ID" >&2; exec sleep 60`}, env: os.Environ(),
		log: log, owners: newOwners(), harms: h, done: make(chan struct{})}
	go i.live()
	t.Cleanup(i.end)
	await := func(key string) {
		for deadline := time.Now().Add(10 * time.Second); i.lastWords() != key; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it says %q, not %q", i.lastWords(), key)
			}
		}
	}
	await(keyOf(7, 1))
	i.kill()
	await(keyOf(7, 2))
	if i.key() != keyOf(7, 2) {
		t.Errorf("it lives as %s", i.key())
	}
	i.terminate(false)
	await(keyOf(7, 3))
	i.terminate(true)
	<-i.done
	var dead []string
	for _, one := range writtenHarms(t, h) {
		dead = append(dead, one.By)
	}
	if want := []string{keyOf(7, 1), keyOf(7, 2), keyOf(7, 3)}; !slices.Equal(dead, want) {
		t.Errorf("deaths of %v, not %v", dead, want)
	}
}
