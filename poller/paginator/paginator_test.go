package paginator_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/aws-sdk-go-v2/service/deadline/types"
	"github.com/google/go-cmp/cmp"

	"farmwire/poller/paginator"
	"farmwire/poller/paginator/recorded"
)

func decode(t *testing.T, token string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// body returns a client of a server that answers every request with the same body.
func body(t *testing.T, text string) *deadline.Client {
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) }))
}

func TestBrokenPages(t *testing.T) {
	const good = `{"sessionId":"a","startedAt":"2026-01-02T03:04:05Z"}`
	for name, c := range map[string]string{
		"text after the page":         `{"sessions":[]} x`,
		"two values":                  `{"sessions":[]}{}`,
		"space only":                  ` `,
		"cut short":                   `{"sessions":[` + good,
		"a list":                      `[]`,
		"a string":                    `"x"`,
		"false":                       `false`,
		"not UTF-8":                   "{\"sessions\":[{\"sessionId\":\"\xff\"}]}",
		"half a surrogate in a token": `{"sessions":[],"nextToken":"\ud83c"}`,
		"nextToken false":             `{"sessions":[],"nextToken":false}`,
		"nextToken object":            `{"sessions":[],"nextToken":{}}`,
		"sessions 0":                  `{"sessions":0}`,
		"sessions false":              `{"sessions":false}`,
		"sessions empty string":       `{"sessions":""}`,
		"entry null":                  `{"sessions":[` + good + `,null]}`,
		"entry a string":              `{"sessions":["a"]}`,
		"entry a list":                `{"sessions":[[]]}`,
		"entry without fields":        `{"sessions":[{}]}`,
		"entry with unknown fields":   `{"sessions":[{"x":1,"SessionId":"a"}]}`,
		"entry with null fields":      `{"sessions":[{"sessionId":null}]}`,
		"sessionId a number":          `{"sessions":[{"sessionId":1}]}`,
		"status an object":            `{"sessions":[{"lifecycleStatus":{}}]}`,
		"time with a comma":           `{"sessions":[{"startedAt":"2026-01-02T03:04:05,5Z"}]}`,
		"hour of one digit":           `{"sessions":[{"startedAt":"2026-01-02T3:04:05Z"}]}`,
		"no digits after the point":   `{"sessions":[{"startedAt":"2026-01-02T03:04:05.Z"}]}`,
		"no such day":                 `{"sessions":[{"endedAt":"2026-02-30T03:04:05Z"}]}`,
		"zone of a whole day":         `{"sessions":[{"endedAt":"2026-02-03T03:04:05+24:00"}]}`,
		"zone of one digit":           `{"sessions":[{"endedAt":"2026-02-03T03:04:05+2:00"}]}`,
		"year 10000 in UTC":           `{"sessions":[{"endedAt":"9999-12-31T23:00:00-02:00"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, exit, err := list(t, body(t, c), paginator.Options{})
			if exit != 1 || !errors.Is(err, paginator.ErrBrokenPage) {
				t.Errorf("exit %d, %v, %v; want a broken page", exit, got, err)
			}
		})
	}
}

func TestPagesAsTheyAre(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"empty body":            {``, `{}`},
		"null":                  {`null`, `{}`},
		"space around":          {" \n{\"sessions\":[]}\n ", `{"sessions":[]}`},
		"names are exact":       {`{"Sessions":[],"NextToken":"A"}`, `{}`},
		"a member twice":        {`{"sessions":[{"sessionId":"a"}],"sessions":[]}`, `{"sessions":[]}`},
		"empty strings":         {`{"sessions":[{"sessionId":"","lifecycleStatus":""}]}`, `{"sessions":[{"sessionId":"","lifecycleStatus":""}]}`},
		"only an empty status":  {`{"sessions":[{"targetLifecycleStatus":""}]}`, `{"sessions":[{"targetLifecycleStatus":""}]}`},
		"order of the fields":   {`{"sessions":[{"jobId":"j","sessionId":"<&>é"}]}`, `{"sessions":[{"sessionId":"<&>é","jobId":"j"}]}`},
		"twelve digits":         {`{"sessions":[{"startedAt":"2026-01-02T03:04:05.123456789012+01:00"}]}`, `{"sessions":[{"startedAt":"2026-01-02T02:04:05.123456789012Z"}]}`},
		"zeros after the point": {`{"sessions":[{"startedAt":"2026-01-02T03:04:05.120"}]}`, `{"sessions":[{"startedAt":"2026-01-02T03:04:05.12Z"}]}`},
		"numbers not read":      {`{"sessions":[{"jobId":"j","x":1e999}],"y":` + strings.Repeat("9", 400) + `}`, `{"sessions":[{"jobId":"j"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			pages, err := paginator.New(body(t, c.body), testWorker(), paginator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			result, err := pages.Collect(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := result.MarshalJSON()
			if diff := cmp.Diff(c.want, string(got)); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestCutBodyIsAnError(t *testing.T) {
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"sessions":[]}`)
	}))
	if got, exit, err := list(t, client, paginator.Options{}); exit != 1 {
		t.Errorf("exit %d, %v, %v", exit, got, err)
	}
}

// lister is a client without HTTP. It is a function from the token to the page; the token of the first page is "".
type lister func(token string) *deadline.ListSessionsForWorkerOutput

func (l lister) ListSessionsForWorker(_ context.Context, in *deadline.ListSessionsForWorkerInput, _ ...func(*deadline.Options)) (*deadline.ListSessionsForWorkerOutput, error) {
	token := ""
	if in.NextToken != nil {
		token = *in.NextToken
	}
	return l(token), nil
}

func sessionsNamed(names ...string) []types.WorkerSessionSummary {
	sessions := []types.WorkerSessionSummary{}
	for _, name := range names {
		sessions = append(sessions, types.WorkerSessionSummary{SessionId: &name})
	}
	return sessions
}

func TestTokensInACircle(t *testing.T) {
	requests := 0
	client := lister(func(token string) *deadline.ListSessionsForWorkerOutput {
		requests++
		next := map[string]string{"": "A", "A": "B", "B": "C", "C": "A"}[token]
		return &deadline.ListSessionsForWorkerOutput{Sessions: sessionsNamed(token + "x"), NextToken: &next}
	})
	for _, c := range []struct {
		start    *string
		max      *int
		exit     int
		requests int
	}{
		{exit: 1, requests: 4},
		{start: new("A"), exit: 1, requests: 4}, // A was received once, which is no repetition
		{max: new(4), exit: 0, requests: 4},     // reached on the page with the repeated token
		{max: new(5), exit: 1, requests: 4},
	} {
		requests = 0
		_, exit, err := list(t, client, paginator.Options{StartingToken: c.start, MaxItems: c.max})
		if exit != c.exit || requests != c.requests || (exit == 1 && !errors.Is(err, paginator.ErrRepeatedToken)) {
			t.Errorf("%v: exit %d after %d requests: %v", c, exit, requests, err)
		}
	}
}

func TestAnyClient(t *testing.T) {
	start := time.Date(2026, 3, 4, 5, 6, 7, 120_000_000, time.FixedZone("", 3600))
	one := types.WorkerSessionSummary{SessionId: new("a"), StartedAt: &start, LifecycleStatus: "ENDED"}
	for _, c := range []struct {
		sessions []types.WorkerSessionSummary
		want     string
	}{
		{[]types.WorkerSessionSummary{one}, `{"sessions":[{"sessionId":"a","startedAt":"2026-03-04T04:06:07.12Z","lifecycleStatus":"ENDED"}]}`},
		{nil, `{}`},
		{[]types.WorkerSessionSummary{one, {}}, ""},
	} {
		client := lister(func(string) *deadline.ListSessionsForWorkerOutput {
			return &deadline.ListSessionsForWorkerOutput{Sessions: c.sessions}
		})
		pages, err := paginator.New(client, testWorker(), paginator.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result, err := pages.Collect(t.Context())
		if c.want == "" {
			if !errors.Is(err, paginator.ErrBrokenPage) {
				t.Errorf("an entry without any field gave %v, %v", result, err)
			}
			continue
		}
		if got, _ := json.Marshal(result); string(got) != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// reversing is a client that wraps another and swaps the first two sessions.
type reversing struct{ paginator.SessionLister }

func (r reversing) ListSessionsForWorker(ctx context.Context, in *deadline.ListSessionsForWorkerInput, options ...func(*deadline.Options)) (*deadline.ListSessionsForWorkerOutput, error) {
	out, err := r.SessionLister.ListSessionsForWorker(ctx, in, options...)
	if err == nil {
		out.Sessions[0], out.Sessions[1] = out.Sessions[1], out.Sessions[0]
	}
	return out, err
}

func TestClientThatChangesPages(t *testing.T) {
	client := reversing{body(t, `{"sessions":[{"sessionId":"a","lifecycleStatus":"ENDED"},{"sessionId":"b"}]}`)}
	pages, err := paginator.New(client, testWorker(), paginator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	result, err := pages.Collect(t.Context())
	const want = `{"sessions":[{"sessionId":"b"},{"sessionId":"a","lifecycleStatus":"ENDED"}]}`
	if got, _ := json.Marshal(result); string(got) != want || err != nil {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestUsedOnce(t *testing.T) {
	client := lister(func(string) *deadline.ListSessionsForWorkerOutput { return &deadline.ListSessionsForWorkerOutput{} })
	pages, err := paginator.New(client, testWorker(), paginator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pages.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := pages.Collect(t.Context()); !errors.Is(err, paginator.ErrUsed) {
		t.Errorf("the second use gave %v", err)
	}
}

// No page is requested before the one before it was processed, and NextToken is known with the last page.
func TestPageByPage(t *testing.T) {
	file := recorded.Load(t)
	server, err := file.Server([]byte(`"EMPTY"`))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := paginator.New(serve(t, server), testWorker(), paginator.Options{MaxItems: new(3)})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for page, err := range pages.Pages(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page.Sessions))
		if made := len(server.Requests()); made != len(sizes) {
			t.Errorf("%d requests for %d pages", made, len(sizes))
		}
		if last := len(sizes) == 4; last != (pages.NextToken() != "") {
			t.Errorf("page %d: NextToken is %q", len(sizes), pages.NextToken())
		}
	}
	if diff := cmp.Diff([]int{2, 0, 0, 1}, sizes); diff != "" {
		t.Errorf("sizes of pages (-want +got):\n%s", diff)
	}
}

func TestRefusedWithoutRequest(t *testing.T) {
	for _, c := range []paginator.Options{
		{MaxItems: new(-1)}, {PageSize: new(0)}, {PageSize: new(1 << 31)}, {StartingToken: new("A___-1")},
	} {
		if _, err := paginator.New(nil, testWorker(), c); !errors.Is(err, paginator.ErrRefused) {
			t.Errorf("%v gave %v", c, err)
		}
	}
	for _, remove := range []int{0, 1, 2} {
		w := testWorker()
		*[]*string{&w.FarmID, &w.FleetID, &w.WorkerID}[remove] = ""
		if _, err := paginator.New(nil, w, paginator.Options{}); !errors.Is(err, paginator.ErrRefused) {
			t.Errorf("%v gave %v", w, err)
		}
	}
}

func TestInterruptedListing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	pages, err := paginator.New(client, testWorker(), paginator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pages.Collect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A listing of 100,000 sessions with some empty pages is read in pieces of random size, each by a new
// Paginator. Together the pieces are the listing.
func TestPiecesJoined(t *testing.T) {
	const sessions = 100_000
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	client, pageSize := longListing(sessions), new(100)
	var next *string
	got, pieces := 0, 0
	for {
		pages, err := paginator.New(client, testWorker(), paginator.Options{
			MaxItems: new(1 + random.IntN(997)), PageSize: pageSize, StartingToken: next,
		})
		if err != nil {
			t.Fatal(err)
		}
		result, err := pages.Collect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range result.Sessions {
			if want := fmt.Sprintf("session-%d", got); *s.SessionId != want {
				t.Fatalf("seed %d, piece %d: got %s, want %s", seed, pieces, *s.SessionId, want)
			}
			got++
		}
		pieces++
		if result.NextToken == "" {
			break
		}
		next = &result.NextToken
	}
	if got != sessions {
		t.Errorf("seed %d: %d sessions in %d pieces, want %d", seed, got, pieces, sessions)
	}
}

// longListing has numbered sessions, 100 on a page. Every seventh page is empty.
func longListing(sessions int) lister {
	return func(token string) *deadline.ListSessionsForWorkerOutput {
		from, page := 0, 0
		fmt.Sscanf(token, "%d/%d", &from, &page)
		to := from
		if page%7 != 3 {
			to = min(from+100, sessions)
		}
		out := &deadline.ListSessionsForWorkerOutput{Sessions: []types.WorkerSessionSummary{}}
		for i := from; i < to; i++ {
			out.Sessions = append(out.Sessions, types.WorkerSessionSummary{SessionId: new(fmt.Sprintf("session-%d", i))})
		}
		if to < sessions {
			out.NextToken = new(fmt.Sprintf("%d/%d", to, page+1))
		}
		return out
	}
}
