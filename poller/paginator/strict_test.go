package paginator

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// answering is an HTTP client without a network. It answers every request with the same body.
type answering []byte

func (a answering) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a)), Request: r}, nil
}

// clientOf returns the SDK's client for a service that answers every request with the body.
func clientOf(body []byte) *deadline.Client {
	return deadline.New(deadline.Options{
		Region: "us-west-2", HTTPClient: answering(body), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

func anyInput() *deadline.ListSessionsForWorkerInput {
	return &deadline.ListSessionsForWorkerInput{FarmId: new("farm-1"), FleetId: new("fleet-1"), WorkerId: new("worker-1")}
}

// The words of an error are those that were printed before the page was parsed only once.
func TestBrokenPageWords(t *testing.T) {
	const notObject, notObjects = "its body is not a JSON object: ", "its sessions are not a list of objects: "
	const wrongTime = "it has a time that is not in the form of RFC 3339"
	for body, want := range map[string]string{
		` `:                                 notObject + "unexpected end of JSON input",
		`{"sessions":[]} x`:                 notObject + "invalid character 'x' after top-level value",
		`{"sessions":[]}{}`:                 notObject + "invalid character '{' after top-level value",
		`null x`:                            notObject + "invalid character 'x' after top-level value",
		`{"sessions":[`:                     notObject + "unexpected end of JSON input",
		`[]`:                                notObject + "json: cannot unmarshal array into Go value of type map[string]json.RawMessage",
		`{"sessions":{}}`:                   notObjects + "json: cannot unmarshal object into Go value of type []map[string]json.RawMessage",
		`{"sessions":[{"jobId":1},true]}`:   notObjects + "json: cannot unmarshal bool into Go value of type map[string]json.RawMessage",
		`{"sessions":["\udc00"]}`:           "its body holds text that is not Unicode",
		`{"nextToken":1,"sessions":0}`:      "its nextToken is not a string",
		`{"sessions":[{"jobId":"j"},null]}`: "entry 1 of the list: it has no known field",
		`{"sessions":[{"JobId":"j"}]}`:      "entry 0 of the list: it has no known field",
		`{"sessions":[{"jobId":1}]}`:        "entry 0 of the list: its jobId is not a string",
		`{"sessions":[{"endedAt":""}]}`:     "entry 0 of the list: " + wrongTime,
		`{"sessions":[{"startedAt":"2026-01-02T03:04:05,5Z"}]}`: "entry 0 of the list: " + wrongTime,
	} {
		page, err := Response(t.Context(), clientOf([]byte(body)), anyInput())
		if page != nil || !errors.Is(err, ErrBrokenPage) || !strings.HasSuffix(err.Error(), "broken page: "+want) {
			t.Errorf("%s gave %v, %v; want %q", body, page, err, want)
		}
	}
}

// A page without a list and one with an empty list can be told apart, and a failed request gives no page.
func TestResponse(t *testing.T) {
	one := types.WorkerSessionSummary{SessionId: new("a"), LifecycleStatus: "ENDED"}
	for body, want := range map[string]*deadline.ListSessionsForWorkerOutput{
		``:                                 {},
		`null`:                             {},
		`{}`:                               {},
		`{"sessions":null,"nextToken":""}`: {NextToken: new("")},
		`{"sessions":[],"nextToken":"A"}`:  {Sessions: []types.WorkerSessionSummary{}, NextToken: new("A")},
		`{"sessions":[],"nextToken":null}`: {Sessions: []types.WorkerSessionSummary{}},
		`{"Sessions":[],"NextToken":"A"}`:  {},
		`{"sessions":[{"sessionId":"a","lifecycleStatus":"ENDED","jobId":null}]}`:                                 {Sessions: []types.WorkerSessionSummary{one}},
		`{"sessions":[{"jobId":"j"},5],"sessions":[{"sessionId":"b","sessionId":"a","lifecycleStatus":"ENDED"}]}`: {Sessions: []types.WorkerSessionSummary{one}},
	} {
		got, err := Response(t.Context(), clientOf([]byte(body)), anyInput())
		if diff := samePage(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", body, err, diff)
		}
	}
}

// samePage returns the differences of two pages. Times are the same if they are the same instant.
func samePage(want, got *deadline.ListSessionsForWorkerOutput) string {
	return cmp.Diff(want, got, cmpopts.IgnoreFields(deadline.ListSessionsForWorkerOutput{}, "ResultMetadata"),
		cmpopts.IgnoreUnexported(deadline.ListSessionsForWorkerOutput{}, types.WorkerSessionSummary{}))
}

// The SDK reads the same from every page that the strict parse accepts.
func FuzzPageBySDK(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{}`, `{"sessions":null}`, `{"sessions":[]} `, `{"Sessions":[],"nexttoken":"A"}`,
		`{"sessions":[{"sessionId":"a","sessionId":null,"jobId":"\ud83c\udfac"}],"x":1e999,"nextToken":"A","nextToken":""}`,
		`{"sessions":[{"jobId":"j"},5],"sessions":[{"queueId":"<é>"}]}`,
		`{"sessions":[{"startedAt":"2026-01-02T03:04:05.1234567890120+02:00","endedAt":"0000-01-01T00:00:00.1"}]}`,
		`{"sessions":[{"lifecycleStatus":"","targetLifecycleStatus":"X"},{"startedAt":"2024-02-29T23:59:59-23:59"}]}`,
		`{"sessions":[{"startedAt":"2026-01-02T3:04:05Z"}]}`, `{"sessions":[null]}`, `{"sessions":[]}x`, "\xff",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		client := clientOf(body)
		got, err := Response(t.Context(), client, anyInput())
		if err != nil {
			if !errors.Is(err, ErrBrokenPage) || got != nil {
				t.Fatalf("%q gave %v, %v", body, got, err)
			}
			return
		}
		want, err := client.ListSessionsForWorker(t.Context(), anyInput())
		if diff := samePage(want, got); diff != "" || err != nil {
			t.Fatalf("%q: the SDK's error is %v (-SDK +strict):\n%s", body, err, diff)
		}
	})
}
