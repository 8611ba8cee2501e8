package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"farmwire/poller/paginator/recorded"
)

func TestSessionsFlagsFromEnvironment(t *testing.T) {
	file := recorded.Load(t)
	server, err := file.Server([]byte(`[{"token_in": "", "sessions": ["empty"]}, {"token_in": null, "sessions": ["first"]}, {"token_in": "A", "sessions": ["A"]}]`))
	if err != nil {
		t.Fatal(err)
	}
	pointAt(t, server)
	t.Setenv("FARMWIRE_OUTPUT", "jsonl")
	for _, c := range []struct {
		name, variable string
		args           []string
		want           string
	}{
		{"from the environment", "A", nil, "A"},
		{"a flag beats it", "A", []string{"--starting-token=None"}, "first"},
		{"empty variable", "", nil, "first"},
		{"empty flag", "A", []string{"--starting-token="}, "empty"},
		{"empty flag, apart", "A", []string{"--starting-token", ""}, "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("FARMWIRE_STARTING_TOKEN", c.variable)
			dropEmptyEnvironment()
			got := sessions(t, c.args...)
			if !strings.Contains(got.out, `"sessionId":"`+c.want+`"`) {
				t.Errorf("got %+v, want session %s", got, c.want)
			}
		})
	}
}

func TestSessionsRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--output=xml"}, "--output"},
		{[]string{"--max-items", "-1"}, "max"},
		{[]string{"--max-items=99999999999999999999x"}, "max-items"},
		{[]string{"--page-size=99999999999999999999"}, "page size"},
		{[]string{"--page-size=0x10"}, "page-size"},
		{[]string{"--page-size=1.5"}, "page-size"},
		{[]string{"--farm="}, "farm"},
		{[]string{"--no-such-flag"}, "no-such-flag"},
		{[]string{"stray"}, "stray"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			pointAt(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was made") }))
			got := sessions(t, c.args...)
			if got.exit != exitUsage || got.out != "" || strings.Count(got.err, "\n") != 1 || !strings.Contains(got.err, c.says) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestSessionsBoundlessMaxItems(t *testing.T) {
	pointAt(t, answer(`{"sessions":[{"jobId":"j"}]}`))
	if got := sessions(t, "--max-items=99999999999999999999", "--output=jsonl"); got.out != "{\"jobId\":\"j\"}\n" {
		t.Errorf("got %+v", got)
	}
}

func TestSessionsWithoutRegion(t *testing.T) {
	pointAt(t, answer(`{}`))
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	if got := sessions(t); got.exit != exitUsage || !strings.Contains(got.err, "AWS_REGION") {
		t.Errorf("got %+v", got)
	}
}

// Retries are the client's: a page that failed once comes.
func TestSessionsRetries(t *testing.T) {
	requests := 0
	pointAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 1 {
			w.Header().Set("X-Amzn-ErrorType", "InternalServerErrorException")
			w.WriteHeader(http.StatusInternalServerError)
			io.WriteString(w, `{"message":"no"}`)
			return
		}
		io.WriteString(w, `{"sessions":[]}`)
	}))
	t.Setenv("AWS_MAX_ATTEMPTS", "")
	if got := sessions(t); got.exit != 0 || requests != 2 {
		t.Errorf("%d requests: %+v", requests, got)
	}
}

// A message with line breaks is still one line.
func TestSessionsOneLineOnError(t *testing.T) {
	pointAt(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-ErrorType", "ValidationException")
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"message":"one\r\ntwo\nthree"}`)
	}))
	if got := sessions(t); got.exit != exitFailed || strings.Count(got.err, "\n") != 1 {
		t.Errorf("got %+v", got)
	}
}

// longListing serves numbered sessions, a hundred on a page, as they really look.
func longListing(sessions int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first := 0
		fmt.Sscan(r.URL.Query().Get("nextToken"), &first)
		var page strings.Builder
		for i := first; i < min(first+100, sessions); i++ {
			fmt.Fprintf(&page, `,{"sessionId":"session-%032x","queueId":"queue-%032x","jobId":"job-%032x","startedAt":"2026-03-04T05:06:07.25Z","lifecycleStatus":"ENDED","endedAt":"2026-03-04T06:06:07.5Z"}`, i, 1, i/50)
		}
		next := ""
		if first+100 < sessions {
			next = fmt.Sprintf(`,"nextToken":"%d"`, first+100)
		}
		fmt.Fprintf(w, `{"sessions":[%s]%s}`, strings.TrimPrefix(page.String(), ","), next)
	})
}

// heapWatch counts lines and looks at the live heap now and then.
type heapWatch struct {
	lines int
	most  uint64
}

func (w *heapWatch) Write(text []byte) (int, error) {
	before := w.lines
	w.lines += bytes.Count(text, []byte("\n"))
	if before/2000 != w.lines/2000 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.most = max(w.most, m.HeapAlloc)
	}
	return len(text), nil
}

// Streaming a listing ten times as long takes no more memory, but for 16 bytes a page token.
func TestSessionsMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("lists 110,000 sessions")
	}
	measure := func(sessions int) uint64 {
		pointAt(t, longListing(sessions))
		out := &heapWatch{}
		var errs bytes.Buffer
		exit := execute(t.Context(), []string{"sessions", "--farm=f", "--fleet=f", "--worker=w", "--output=jsonl", "--page-size=100"}, &streams{strings.NewReader(""), out, &errs})
		if exit != 0 || out.lines != sessions {
			t.Fatalf("exit %d after %d lines of %d: %s", exit, out.lines, sessions, errs.String())
		}
		return out.most
	}
	short, long := measure(10_000), measure(100_000)
	t.Logf("live heap: %d kB at 10,000 sessions, %d kB at 100,000", short>>10, long>>10)
	if long > short+1<<20 {
		t.Errorf("live heap grew from %d to %d bytes", short, long)
	}
}

// An interrupt in the middle of a listing ends it at once and between two lines.
func TestSessionsInterrupted(t *testing.T) {
	for _, form := range []string{"json", "jsonl", "table"} {
		t.Run(form, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			whole := longListing(1000)
			pointAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("nextToken") == "300" {
					cancel()
					<-r.Context().Done()
					return
				}
				whole.ServeHTTP(w, r)
			}))
			var out, errs bytes.Buffer
			began := time.Now()
			exit := execute(ctx, []string{"sessions", "--farm=f", "--fleet=f", "--worker=w", "--output=" + form}, &streams{strings.NewReader(""), &out, &errs})
			if exit != exitInterrupted || errs.Len() != 0 || time.Since(began) > 5*time.Second {
				t.Errorf("exit %d after %v: %s", exit, time.Since(began), errs.String())
			}
			if lines := strings.Count(out.String(), "\n"); form == "jsonl" && lines != 300 || form != "jsonl" && out.Len() != 0 {
				t.Errorf("%d lines, %d bytes were printed", lines, out.Len())
			}
		})
	}
}

// stuck is a reader that stopped reading after the first piece.
type stuck struct{ pieces chan []byte }

func (s stuck) Write(text []byte) (int, error) {
	s.pieces <- bytes.Clone(text)
	return len(text), nil
}

// Each write is of whole lines and no longer than a pipe takes in one piece.
func TestSessionsWritesWholeLines(t *testing.T) {
	pointAt(t, longListing(250))
	for _, form := range []string{"json", "jsonl", "table"} {
		out := stuck{make(chan []byte, 10_000)}
		exit := execute(t.Context(), []string{"sessions", "--farm=f", "--fleet=f", "--worker=w", "--output=" + form}, &streams{strings.NewReader(""), out, io.Discard})
		close(out.pieces)
		n := 0
		for piece := range out.pieces {
			n++
			if len(piece) > atomicWrite || piece[len(piece)-1] != '\n' {
				t.Errorf("%s: a piece of %d bytes ends in %q", form, len(piece), piece[len(piece)-1])
			}
		}
		if exit != 0 || n < 5 {
			t.Errorf("%s: exit %d, %d pieces", form, exit, n)
		}
	}
}

func TestLineWriterReportsFailure(t *testing.T) {
	reader, writer := io.Pipe()
	reader.CloseWithError(errors.New("disk full"))
	if err := (lineWriter{t.Context(), writer}).write([]byte("a\n")); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v", err)
	}
}

func TestLineWriterLongLine(t *testing.T) {
	var out bytes.Buffer
	text := "a\n" + strings.Repeat("x", 3*atomicWrite) + "\nb\n"
	if err := (lineWriter{t.Context(), &out}).write([]byte(text)); err != nil || out.String() != text {
		t.Errorf("%v: %d bytes of %d", err, out.Len(), len(text))
	}
}
