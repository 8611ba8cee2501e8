package poller

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/poller/farmtest"
)

// refusing answers BatchGetSession with an error if when says so of the request's body. It passes all other requests on.
func refusing(handler http.Handler, status int, kind string, when func(body string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/batch-get-session") {
			text, err := io.ReadAll(r.Body)
			if err == nil && when(string(text)) {
				w.Header().Set("X-Amzn-ErrorType", kind)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprint(w, `{"message":"no","reason":"UNKNOWN_OPERATION"}`)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(text)))
		}
		handler.ServeHTTP(w, r)
	})
}

// If BatchGetSession is refused as a whole, for whatever reason, GetSession finds the end of the session.
func TestBatchIsRefused(t *testing.T) {
	for status, kind := range map[int]string{
		400: "ValidationException", 403: "AccessDeniedException", 404: "UnknownOperationException", 500: "InternalServerErrorException", 501: "NotImplemented",
	} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				s := world.worker.StartSession(nil)
				var calls atomic.Int64 // requests come from several goroutines
				h := refusing(world, status, kind, func(string) bool { calls.Add(1); return true })
				w := watch(t, directClient(direct{handler: h}), testConfig)
				time.Sleep(20 * time.Second)
				lost := world.fleet.AddWorker()
				other := lost.StartSession(nil)
				time.Sleep(40 * time.Second)
				lost.Lose()
				s.End()
				world.worker.Delete()
				time.Sleep(time.Minute)
				if got := w.kinds(s.ID()); got != "started ended" {
					t.Errorf("events: %q", got)
				}
				time.Sleep(28 * time.Minute)
				if n := calls.Load(); n > 60 {
					t.Errorf("BatchGetSession was called %d times in half an hour", n)
				}
				if s := w.poller.State(); !isFine(s) {
					t.Errorf("state: %+v", s)
				}
				other.End()
				time.Sleep(11 * time.Second)
				if got := w.kinds(other.ID()); got != "started ended" {
					t.Errorf("events of the session of a worker that is lost: %q", got)
				}
			})
		})
	}
}

// Sessions for which BatchGetSession and GetSession are refused do not keep back the lookup of other sessions, not
// even of the same worker.
func TestOneIdentifierIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		world := newWorld(farmtest.Config{})
		var ids []string
		var sessions []*farmtest.Session
		for range 15 {
			s := world.worker.StartSession(nil)
			sessions = append(sessions, s)
			ids = append(ids, s.ID())
		}
		bad := make(map[string]bool) // all but two
		for _, id := range ids[2:] {
			bad[id] = true
		}
		isBad := func(text string) bool {
			for id := range bad {
				if strings.Contains(text, id) {
					return true
				}
			}
			return false
		}
		batch := refusing(world, 400, "ValidationException", isBad)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if i := strings.LastIndex(r.URL.Path, "/"); bad[r.URL.Path[i+1:]] {
				w.Header().Set("X-Amzn-ErrorType", "ValidationException")
				w.WriteHeader(400)
				return
			}
			batch.ServeHTTP(w, r)
		})
		w := watch(t, directClient(direct{handler: h}), testConfig)
		time.Sleep(20 * time.Second)
		world.worker.Lose()
		time.Sleep(time.Minute)
		for _, s := range sessions[:2] {
			s.End()
		}
		time.Sleep(time.Minute)
		for _, s := range sessions[:2] {
			if got := w.kinds(s.ID()); got != "started ended" {
				t.Errorf("events: %q", got)
			}
		}
	})
}
