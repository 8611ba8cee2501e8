package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/cmd/view"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestPages compares what is printed with files that a person can look at (cat shows the colours).
func TestPages(t *testing.T) {
	missed := func(v *view.View) error { return missedAccount().print(v) }
	for _, test := range []struct {
		file   string
		colour bool
		print  func(*view.View) error
	}{
		{"intro.txt", false, printIntro},
		{"account-clean.txt", false, func(v *view.View) error { return cleanAccount().print(v) }},
		{"account-late.txt", false, func(v *view.View) error { return lateAccount().print(v) }},
		{"account-missed.txt", false, missed},
		{"account-missed-colour.txt", true, missed},
		{"account-nothing.txt", false, func(v *view.View) error { return account{Speed: 30}.print(v) }},
	} {
		t.Run(test.file, func(t *testing.T) {
			var out bytes.Buffer
			if err := test.print(view.New(&out, view.Options{Width: 80, Colour: test.colour, Delay: delayMeaning})); err != nil {
				t.Fatal(err)
			}
			golden(t, test.file, out.Bytes())
		})
	}
}

func printIntro(v *view.View) error {
	return intro(v, "between a simulated farm and an embedded broker · 12 workers · seed 1", addresses{
		Brokers: []string{"127.0.0.1:9092"}, Topics: "deadline.sessions",
		HTTP: "127.0.0.1:8080", Farm: "http://127.0.0.1:8081",
	})
}

func cleanAccount() account {
	return account{
		Transitions: 214, Told: 210, Passed: 4, Discovered: 12, Events: 222,
		Delays: []time.Duration{200 * time.Millisecond, 480 * time.Millisecond, 610 * time.Millisecond},
		Calls:  map[string]int{"ListFarms": 4, "ListSessionsForWorker": 780, "ListFleets": 4, "ListWorkers": 20},
		Ran:    30 * time.Second, Speed: 30,
	}
}

func lateAccount() account {
	a := cleanAccount()
	a.Told, a.Late = 190, 20
	return a
}

func missedAccount() account {
	a := cleanAccount()
	a.MissedStarts = []string{"session-0b5f9d1c2e7a4f60"}
	for range 12 {
		a.MissedEnds = append(a.MissedEnds, "session-77c3f00d9a1b2c3d")
	}
	a.MissedStates = []string{"session-1f2e3d4c5b6a7988"}
	a.Invented = []string{"session-1f2e3d4c5b6a7988.000002"}
	a.Disordered = []string{"session-1f2e3d4c5b6a7988.000009"}
	return a
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
