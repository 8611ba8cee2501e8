package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Off a terminal a line is JSON, and its times are UTC wherever the machine is.
func TestLogTimesAreUTC(t *testing.T) {
	var out bytes.Buffer
	log, err := logFlags{LogLevel: "info", LogFormat: "auto"}.logger(&out)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("east", 7200))
	log.Info("x", zap.Time("before", elsewhere))
	var line struct{ Before string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if line.Before != "2026-11-24T10:00:00Z" {
		t.Errorf("before is %q", line.Before)
	}
}

// The form for people has no colours where no terminal shows them, and durations with their unit.
func TestConsoleLogElsewhere(t *testing.T) {
	var out bytes.Buffer
	log, err := logFlags{LogLevel: "info", LogFormat: "console"}.logger(&out)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("stopped", zap.Duration("ran", 1500*time.Millisecond))
	if got := out.String(); strings.Contains(got, "\x1b") || !strings.Contains(got, "\tINFO\tstopped\t{\"ran\": \"1.5s\"}") {
		t.Errorf("%q", got)
	}
}
