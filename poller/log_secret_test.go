package poller

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"farmwire/poller/farmtest"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// The service's message about a bad signature quotes the request with its session token. The error's code and the
// operation are logged, and the message is not.
func TestTokenIsNotLogged(t *testing.T) {
	const canary = "CANARY-IQoJb3JpZ2luX2VjE"
	for _, code := range []string{"InvalidSignatureException", "SignatureDoesNotMatch", "AccessDeniedException", ""} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				world := newWorld(farmtest.Config{})
				var bad atomic.Bool
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !bad.Load() {
						world.ServeHTTP(w, r)
						return
					}
					if code != "" {
						w.Header().Set("X-Amzn-ErrorType", code)
					}
					w.WriteHeader(http.StatusForbidden)
					fmt.Fprintf(w, `{"message":"The Canonical String for this request should have been 'GET\n/2023-10-12/farms\nx-amz-security-token:%s\n'"}`, canary)
				})
				core, logs := observer.New(zapcore.DebugLevel)
				p := New(directClient(direct{handler: h}), testConfig, zap.New(core), prometheus.NewRegistry())
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- p.Run(ctx) }()
				p.Own(0, nil)
				time.Sleep(time.Minute)
				bad.Store(true)
				time.Sleep(5 * time.Minute)
				logged := false
				for _, entry := range logs.All() {
					text := entry.Message + fmt.Sprint(entry.ContextMap())
					if strings.Contains(text, canary) {
						t.Errorf("logged: %s", text)
						break
					}
					logged = logged || strings.Contains(text, "ListWorkers") && strings.Contains(text, code)
				}
				if !logged {
					t.Error("the error was not logged")
				}
				if s := p.State(); strings.Contains(fmt.Sprintf("%+v", s), canary) {
					t.Errorf("state: %+v", s)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
