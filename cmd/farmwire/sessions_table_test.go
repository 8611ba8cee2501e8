package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"

	"farmwire/poller/paginator"
)

func tableSessions() paginator.Result {
	start := time.Date(2026, 3, 4, 5, 6, 7, 250_000_000, time.UTC)
	end := start.Add(time.Hour + 2*time.Second)
	blink := start.Add(40 * time.Millisecond)
	summaries := []types.WorkerSessionSummary{
		{SessionId: new("session-1"), QueueId: new("queue-1"), JobId: new("job-1"), StartedAt: &start, EndedAt: &end, LifecycleStatus: "ENDED", TargetLifecycleStatus: "ENDED"},
		{SessionId: new("session-2é"), QueueId: new("queue-1"), JobId: new("job-\n\x1b[31m"), StartedAt: &start, LifecycleStatus: "STARTED"},
		{SessionId: new("session-3"), StartedAt: &start, EndedAt: &blink, LifecycleStatus: "UPDATE_FAILED"},
		{JobId: new("job-4"), LifecycleStatus: "SUSPENDED"},
		{SessionId: new("session-5"), StartedAt: &start, LifecycleStatus: "ENDED"},
		{SessionId: new("session-5"), StartedAt: &start, EndedAt: new(start.Add(50*time.Hour + 29*time.Second)), LifecycleStatus: "ENDED"},
		{SessionId: new("session-6"), StartedAt: &end, EndedAt: &start},
	}
	var result paginator.Result
	for _, s := range summaries {
		result.Sessions = append(result.Sessions, paginator.Session{WorkerSessionSummary: s})
	}
	result.NextToken = "TOKEN"
	return result
}

func TestTablePlain(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 7, 8, 0, time.UTC)
	want := `
SESSION     STATUS         TARGET  STARTED                  ENDED                    LASTED  QUEUE    JOB
session-1   ENDED          ENDED   2026-03-04T05:06:07.25Z  2026-03-04T06:06:09.25Z  1h0m2s  queue-1  job-1
session-2é  STARTED        -       2026-03-04T05:06:07.25Z  -                        1m1s+   queue-1  job-\n\x1b[31m
session-3   UPDATE_FAILED  -       2026-03-04T05:06:07.25Z  2026-03-04T05:06:07.29Z  40ms    -        -
-           SUSPENDED      -       -                        -                        -       -        job-4
session-5   ENDED          -       2026-03-04T05:06:07.25Z  -                        -       -        -
session-5   ENDED          -       2026-03-04T05:06:07.25Z  2026-03-06T07:06:36.25Z  2d2h0m  -        -
session-6   -              -       2026-03-04T06:06:09.25Z  2026-03-04T05:06:07.25Z  -       -        -

NextToken: TOKEN
`
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), string(table(tableSessions(), now, false))); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

// Colours are around the status only, and change no width.
func TestTableColoured(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 7, 8, 0, time.UTC)
	plainText, coloured := string(table(tableSessions(), now, false)), string(table(tableSessions(), now, true))
	for _, want := range []string{"\x1b[90mENDED\x1b[0m ", "\x1b[32mSTARTED\x1b[0m ", "\x1b[31mUPDATE_FAILED\x1b[0m ", "\x1b[35mSUSPENDED\x1b[0m ", "\x1b[1mSESSION\x1b[0m "} {
		if !strings.Contains(coloured, want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[35m", "\x1b[90m"} {
		coloured = strings.ReplaceAll(coloured, code, "")
	}
	if diff := cmp.Diff(plainText, coloured); diff != "" {
		t.Errorf("without its colours (-want +got):\n%s", diff)
	}
}
