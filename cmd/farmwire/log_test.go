package main

import (
	"bytes"
	"encoding/json"
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
