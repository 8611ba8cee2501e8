package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"farmwire/poller/paginator/recorded"
)

// pointAt makes a server the Deadline Cloud of this test's commands, without retries.
func pointAt(t *testing.T, handler http.Handler) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_DEADLINE": server.URL, "AWS_MAX_ATTEMPTS": "1", "AWS_REGION": "us-west-2",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
}

type outcome struct {
	exit     int
	out, err string
}

// sessions runs `farmwire sessions` for the worker of the tests.
func sessions(t *testing.T, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"sessions", "--farm=farm-1", "--fleet=fleet-1", "--worker=worker-1"}, args...)
	exit := execute(t.Context(), args, &streams{strings.NewReader(""), &out, &errs})
	return outcome{exit, out.String(), errs.String()}
}

func flagsOf(c recorded.Config) (flags []string) {
	if c.MaxItems != nil {
		flags = append(flags, "--max-items="+string(*c.MaxItems))
	}
	if c.PageSize != nil {
		flags = append(flags, "--page-size="+string(*c.PageSize))
	}
	if c.StartingToken != nil {
		flags = append(flags, "--starting-token="+*c.StartingToken)
	}
	return flags
}

// parseOutput reads any of the three output forms.
func parseOutput(t *testing.T, form, text string) *recorded.Result {
	t.Helper()
	result := &recorded.Result{}
	switch form {
	case "json":
		var members struct {
			Sessions  []struct{ SessionID string }
			NextToken string
		}
		strict(t, text, &members)
		result.NextToken = members.NextToken
		if members.Sessions != nil {
			result.Sessions = []string{}
		}
		for _, s := range members.Sessions {
			result.Sessions = append(result.Sessions, s.SessionID)
		}
	case "jsonl":
		for line := range strings.Lines(text) {
			var members struct{ SessionID, NextToken string }
			strict(t, line, &members)
			if members.NextToken != "" {
				result.NextToken = members.NextToken
			} else {
				result.Sessions = append(result.Sessions, members.SessionID)
			}
		}
	case "table":
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if !strings.HasPrefix(lines[0], "SESSION ") {
			t.Errorf("the table has no titles: %s", text)
		}
		for _, line := range lines[1:] {
			if token, ok := strings.CutPrefix(line, "NextToken: "); ok {
				result.NextToken = token
			} else if line != "" {
				result.Sessions = append(result.Sessions, strings.Fields(line)[0])
			}
		}
	}
	return result
}

func strict(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil || !strings.HasSuffix(text, "\n") {
		t.Errorf("bad output %q: %v", text, err)
	}
}

func TestSessionsRecordedCases(t *testing.T) {
	file := recorded.Load(t)
	for _, form := range []string{"json", "jsonl", "table"} {
		for _, c := range file.Cases {
			t.Run(form+" "+c.Name, func(t *testing.T) {
				server, err := file.Server(c.Pages)
				if err != nil {
					t.Fatal(err)
				}
				pointAt(t, server)
				got := sessions(t, append(flagsOf(c.Config), "--output="+form)...)
				compare(t, form, c, got, server.Requests())
			})
		}
	}
}

func TestSessionsRecordedResumed(t *testing.T) {
	file := recorded.Load(t)
	for _, w := range file.Resumed {
		t.Run(w.Name, func(t *testing.T) {
			for _, step := range w.Steps {
				server, err := file.Server(w.Pages)
				if err != nil {
					t.Fatal(err)
				}
				pointAt(t, server)
				compare(t, "json", recorded.Case{Expect: step.Expect}, sessions(t, flagsOf(step.Config)...), server.Requests())
			}
		})
	}
}

// compare holds one run against what boto3 did, or what ours is to do instead.
func compare(t *testing.T, form string, c recorded.Case, got outcome, requests []recorded.Request) {
	t.Helper()
	want := c.Expect
	if c.Ours != nil {
		want.Exit = c.Ours.Exit
		if c.Ours.Requests != nil {
			want.Requests = c.Ours.Requests
		}
	}
	if got.exit != want.Exit {
		t.Errorf("exit %d, want %d; stderr: %s", got.exit, want.Exit, got.err)
	}
	if diff := cmp.Diff(want.Requests, requests); diff != "" && len(want.Requests)+len(requests) > 0 {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if want.Exit != 0 {
		checkFailure(t, form, want, got)
		return
	}
	if got.err != "" {
		t.Errorf("stderr: %s", got.err)
	}
	result := parseOutput(t, form, got.out)
	if want.Result.NextTokenDecoded != "" {
		decoded, _ := base64.StdEncoding.DecodeString(result.NextToken)
		result.NextTokenDecoded, result.NextToken = string(decoded), ""
	}
	if form != "json" && len(want.Result.Sessions) == 0 {
		result.Sessions = want.Result.Sessions // only json tells an empty list from none
	}
	if diff := cmp.Diff(want.Result, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func checkFailure(t *testing.T, form string, want recorded.Expect, got outcome) {
	t.Helper()
	if got.out != "" && (form != "jsonl" || want.Exit != 1) {
		t.Errorf("stdout after an error: %s", got.out)
	}
	if strings.Count(got.err, "\n") != 1 || !strings.HasSuffix(got.err, "\n") {
		t.Errorf("stderr is not one line: %q", got.err)
	}
	if want.Error != nil && want.Exit == 1 && strings.HasSuffix(want.Error.Kind, "Exception") && !strings.Contains(got.err, want.Error.Kind) {
		t.Errorf("stderr %q does not name %s", got.err, want.Error.Kind)
	}
	if want.Error != nil && want.Error.Kind == "PaginationError" && !strings.Contains(got.err, "same next token was received twice") {
		t.Errorf("stderr: %s", got.err)
	}
}

// What the AWS CLI prints of a body we print too; where its text was recorded, in the same bytes.
func TestSessionsRecordedResponses(t *testing.T) {
	for _, r := range recorded.Load(t).Responses {
		t.Run(r.Name, func(t *testing.T) {
			pointAt(t, answer(string(r.Body)))
			got := sessions(t, flagsOf(r.Config)...)
			var words string
			want := []byte(r.CLI)
			switch {
			case json.Unmarshal(r.CLI, &words) != nil:
			case words == "as body":
				want = r.Body
			default:
				want = []byte("{}") // the CLI prints nothing
			}
			if got.exit != 0 || r.CLIText != "" && got.out != r.CLIText {
				t.Errorf("exit %d, stderr %s\ngot  %s\nwant %s", got.exit, got.err, got.out, r.CLIText)
			}
			if diff := cmp.Diff(anyOf(t, want), anyOf(t, []byte(got.out))); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

func anyOf(t *testing.T, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func answer(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
}

func TestSessionsRecordedTimes(t *testing.T) {
	for _, c := range recorded.Load(t).Times {
		t.Run(string(c.Wire), func(t *testing.T) {
			pointAt(t, answer(`{"sessions":[{"startedAt":`+string(c.Wire)+`}]}`))
			got := sessions(t, "--output=jsonl")
			if c.GoSDK == "error" {
				if got.exit != 1 || got.out != "" {
					t.Errorf("exit %d, stdout %s", got.exit, got.out)
				}
				return
			}
			at, err := time.Parse(time.RFC3339Nano, c.GoSDK)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("{\"startedAt\":%q}\n", at.UTC().Format(time.RFC3339Nano)); got.out != want {
				t.Errorf("got %s, want %s; stderr %s", got.out, want, got.err)
			}
		})
	}
}

// The AWS CLI's runs, which have no pages of their own: they are those of the cases of that name.
func TestSessionsRecordedCLI(t *testing.T) {
	file := recorded.Load(t)
	for _, c := range file.CLI {
		t.Run(c.Name, func(t *testing.T) {
			if len(c.Flags) > 0 { // --no-paginate is not ours
				if got := sessions(t, c.Flags...); got.exit != exitUsage {
					t.Errorf("%v gave %+v", c.Flags, got)
				}
				return
			}
			pages := json.RawMessage(`"P"`)
			if i := slices.IndexFunc(file.Cases, func(o recorded.Case) bool { return strings.HasPrefix(o.Name, c.Name) }); i >= 0 {
				pages = file.Cases[i].Pages
			}
			server, err := file.Server(pages)
			if err != nil {
				t.Fatal(err)
			}
			pointAt(t, server)
			got := sessions(t, flagsOf(c.Config)...)
			want := c.Exit
			switch {
			case c.Requests == 0:
				want = exitUsage
			case c.Exit != 0:
				want = exitFailed
			}
			if got.exit != want || len(server.Requests()) != c.Requests {
				t.Errorf("exit %d after %d requests, want %d after %d: %s", got.exit, len(server.Requests()), want, c.Requests, got.err)
			}
			if want != 0 {
				return
			}
			if diff := cmp.Diff(c.Stdout, parseOutput(t, "json", got.out)); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}
