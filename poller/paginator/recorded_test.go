package paginator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
	"farmwire/poller/paginator"
	"farmwire/poller/paginator/recorded"
)

func testWorker() diff.WorkerKey {
	return diff.WorkerKey{FarmID: "farm-1", FleetID: "fleet-1", WorkerID: "worker-1"}
}

// serve starts a server and makes the SDK's client for it, without retries.
func serve(t *testing.T, handler http.Handler) *deadline.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return deadline.New(deadline.Options{
		Region:       "us-west-2",
		BaseEndpoint: &server.URL,
		HTTPClient:   server.Client(),
		Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer:      aws.NopRetryer{},
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("NoHostPrefix",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
				}), middleware.Before)
		}},
	})
}

// optionsOf converts a recorded configuration. It reports false if a text is not a number, which Options cannot express.
func optionsOf(c recorded.Config) (options paginator.Options, ok bool) {
	options.StartingToken, ok = c.StartingToken, true
	for _, n := range []struct {
		text *recorded.Text
		set  **int
	}{{c.MaxItems, &options.MaxItems}, {c.PageSize, &options.PageSize}} {
		if n.text == nil {
			continue
		}
		value, err := strconv.Atoi(string(*n.text))
		if err != nil {
			return options, false
		}
		*n.set = &value
	}
	return options, ok
}

// list collects a listing, and returns the exit code of a command that did so.
func list(t *testing.T, client paginator.SessionLister, options paginator.Options) (*recorded.Result, int, error) {
	t.Helper()
	pages, err := paginator.New(client, testWorker(), options)
	if errors.Is(err, paginator.ErrRefused) {
		return nil, 2, err
	}
	if err != nil {
		t.Fatal(err)
	}
	result, err := pages.Collect(t.Context())
	if err != nil {
		if len(result.Sessions) != 0 || result.NextToken != "" || pages.NextToken() != "" {
			t.Errorf("an error came with a result: %v", result)
		}
		return nil, 1, err
	}
	got := &recorded.Result{NextToken: result.NextToken}
	if result.Sessions != nil {
		got.Sessions = []string{}
	}
	for _, s := range result.Sessions {
		got.Sessions = append(got.Sessions, *s.SessionId)
	}
	return got, 0, nil
}

// expect compares one listing with what was recorded.
func expect(t *testing.T, server *recorded.Server, c recorded.Case, got *recorded.Result, exit int, err error) {
	t.Helper()
	want := c.Expect
	if c.Ours != nil {
		want.Exit = c.Ours.Exit
		if c.Ours.Requests != nil {
			want.Requests = c.Ours.Requests
		}
	}
	if exit != want.Exit {
		t.Errorf("exit %d (%v), want %d", exit, err, want.Exit)
	}
	if diff := cmp.Diff(want.Requests, server.Requests()); diff != "" && len(want.Requests)+len(server.Requests()) > 0 {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if want.Exit != 0 {
		if want.Error != nil && want.Exit == 1 {
			checkKind(t, want.Error.Kind, want.Error.Message, err)
		}
		return
	}
	if want.Result.NextTokenDecoded != "" {
		decoded := decode(t, got.NextToken)
		if decoded != want.Result.NextTokenDecoded {
			t.Errorf("NextToken holds %s, want %s", decoded, want.Result.NextTokenDecoded)
		}
		got.NextToken, want.Result.NextTokenDecoded = "", ""
	}
	if diff := cmp.Diff(want.Result, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

// checkKind compares an error with boto3's: the code of a service error, the token of a repeated token.
func checkKind(t *testing.T, kind, message string, err error) {
	t.Helper()
	switch {
	case strings.HasSuffix(kind, "Exception"):
		if !strings.Contains(err.Error(), kind) {
			t.Errorf("error %q does not name %s", err, kind)
		}
	case kind == "PaginationError":
		token := strings.Trim(message[strings.LastIndex(message, ": ")+2:], `'"}`)
		if !errors.Is(err, paginator.ErrRepeatedToken) || !strings.Contains(err.Error(), token) {
			t.Errorf("error %q is not about the repeated token %q", err, token)
		}
	}
}

func TestRecordedCases(t *testing.T) {
	file := recorded.Load(t)
	if len(file.Cases) < 100 {
		t.Fatalf("only %d cases were read", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run(c.Name, func(t *testing.T) {
			server, err := file.Server(c.Pages)
			if err != nil {
				t.Fatal(err)
			}
			options, ok := optionsOf(c.Config)
			if !ok {
				if c.Expect.Exit != 2 {
					t.Fatal("boto3 accepts a text that is not a number")
				}
				return
			}
			got, exit, err := list(t, serve(t, server), options)
			expect(t, server, c, got, exit, err)
		})
	}
}

func TestRecordedResumed(t *testing.T) {
	file := recorded.Load(t)
	for _, w := range file.Resumed {
		t.Run(w.Name, func(t *testing.T) {
			var next *string
			for _, step := range w.Steps {
				server, err := file.Server(w.Pages)
				if err != nil {
					t.Fatal(err)
				}
				options, _ := optionsOf(step.Config)
				if diff := cmp.Diff(options.StartingToken, next); diff != "" {
					t.Errorf("NextToken of the previous step (-want +got):\n%s", diff)
				}
				got, exit, err := list(t, serve(t, server), options)
				expect(t, server, recorded.Case{Expect: step.Expect}, got, exit, err)
				next = &got.NextToken
			}
			if *next != "" {
				t.Error("the listing has more sessions after its last step")
			}
		})
	}
}

// The recorded bodies and times come with what the Go SDK reads of them. The checks of the body are written
// for that, so they must be reviewed if the SDK reads something else.
func TestRecordedSDK(t *testing.T) {
	file := recorded.Load(t)
	for _, r := range file.Responses {
		t.Run(r.Name, func(t *testing.T) {
			out, err := listBySDK(t, string(r.Body))
			if err != nil {
				t.Fatal(err)
			}
			var want []map[string]string
			if string(r.GoSDK) == `"nil list"` {
				if out.Sessions != nil {
					t.Errorf("the SDK read a list: %v", out.Sessions)
				}
				return
			}
			if err := json.Unmarshal(r.GoSDK, &want); err != nil {
				t.Fatal(err)
			}
			got := []map[string]string{}
			for _, s := range out.Sessions {
				got = append(got, shownBySDK(s))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the SDK's sessions (-want +got):\n%s", diff)
			}
		})
	}
	for _, c := range file.Times {
		t.Run(string(c.Wire), func(t *testing.T) {
			got := "error"
			if out, err := listBySDK(t, `{"sessions":[{"startedAt":`+string(c.Wire)+`}]}`); err == nil {
				got = out.Sessions[0].StartedAt.Format(time.RFC3339Nano)
			}
			if got != c.GoSDK {
				t.Errorf("got %s, want %s", got, c.GoSDK)
			}
		})
	}
}

func listBySDK(t *testing.T, body string) (*deadline.ListSessionsForWorkerOutput, error) {
	t.Helper()
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
	w := testWorker()
	return client.ListSessionsForWorker(t.Context(), &deadline.ListSessionsForWorkerInput{FarmId: &w.FarmID, FleetId: &w.FleetID, WorkerId: &w.WorkerID})
}

// shownBySDK returns the fields of a session that the recorded cases have.
func shownBySDK(s types.WorkerSessionSummary) map[string]string {
	fields := map[string]string{}
	for name, value := range map[string]string{
		"sessionId":             aws.ToString(s.SessionId),
		"lifecycleStatus":       string(s.LifecycleStatus),
		"targetLifecycleStatus": string(s.TargetLifecycleStatus),
	} {
		if value != "" {
			fields[name] = value
		}
	}
	for name, value := range map[string]*time.Time{"startedAt": s.StartedAt, "endedAt": s.EndedAt} {
		if value != nil {
			fields[name] = value.Format(time.RFC3339Nano)
		}
	}
	return fields
}
