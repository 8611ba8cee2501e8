package poller

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestSDKLogIsScrubbed(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []any
		want   string
	}{
		{"falling back to IMDSv1: %v", []any{errors.New(canary)}, "falling back to IMDSv1: the request failed before there was an answer"},
		{"ignoring invalid x-amz-retry-after header value %q", []any{canary}, `ignoring invalid x-amz-retry-after header value "…"`},
		{"Request\n%v", []any{"Authorization: " + canary}, "Request\n…"},
		{"again in %v minutes", []any{5}, "again in 5 minutes"},
		{"For profile: " + canary + ", overriding", nil, "For profile"},
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		sdkLogger{zap.New(core)}.Logf(logging.Warn, c.format, c.args...)
		entry := logs.All()[0]
		if got := entry.ContextMap()["text"]; got != c.want || entry.Level != zapcore.WarnLevel {
			t.Errorf("%q is logged as %q at %v, want %q", c.format, got, entry.Level, c.want)
		}
	}
}

// A client that logs whole requests does so through zap, and without the session token.
func TestClientLogs(t *testing.T) {
	world := newWorld(farmtest.Config{})
	world.serve(t)
	environment(t, map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": canary, "AWS_SESSION_TOKEN": canary,
		"AWS_ENDPOINT_URL_DEADLINE": world.URL(),
	})
	core, logs := observer.New(zapcore.DebugLevel)
	client, err := NewClient(t.Context(), zap.New(core), func(o *deadline.Options) { o.ClientLogMode = aws.LogRequestWithBody | aws.LogSigning })
	if err != nil {
		t.Fatal(err)
	}
	defer client.Options().HTTPClient.(*http.Client).CloseIdleConnections()
	if _, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{}); err != nil {
		t.Error(err)
	}
	if logs.Len() < 2 {
		t.Errorf("%d entries were logged", logs.Len())
	}
	for _, entry := range logs.All() {
		if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, canary) || strings.Contains(text, "AKID") {
			t.Errorf("logged: %s", text)
		}
	}
}
