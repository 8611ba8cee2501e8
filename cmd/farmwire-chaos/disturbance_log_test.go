package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"farmwire/cmd/farmwire-chaos/check"
)

// written is what the file of a log has.
func written(t *testing.T, l *disturbanceLog) []check.Disturbance {
	t.Helper()
	dir := t.TempDir()
	if err := l.write(dir); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(filepath.Join(dir, disturbancesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var all []check.Disturbance
	for lines := json.NewDecoder(file); lines.More(); {
		var one check.Disturbance
		if err := lines.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

func TestDisturbanceLog(t *testing.T) {
	l := &disturbanceLog{}
	l.lifeEnding("a")
	over := l.begin(killBroker, "")
	over(time.Hour)
	all := written(t, l)
	if len(all) != 2 || all[0].Kind != "end of the process" || all[0].Key != "a" || all[0].From.IsZero() || !all[0].To.IsZero() {
		t.Fatalf("%+v", all)
	}
	if all[1].Key != "" || all[1].To.Sub(all[1].From) < time.Hour {
		t.Errorf("%+v", all[1])
	}
}
