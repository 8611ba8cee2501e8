package poller

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"farmwire/poller/farmtest"
	"farmwire/poller/schedule"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
)

// forgetful forwards connections to an address, as a NAT gateway does, until it forgets those that exist: they stay open,
// and nothing that is sent on them arrives anywhere. New ones work.
type forgetful struct {
	net.Listener
	age      atomic.Int64 // how often it has forgotten
	accepted atomic.Int64
}

func newForgetful(t *testing.T, to string) *forgetful {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forgetful{Listener: listener}
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	keep := func(conn net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, conn)
	}
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			keep(near)
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			keep(far)
			age := f.age.Load()
			f.accepted.Add(1)
			running.Go(func() { f.forward(near, far, age) })
			running.Go(func() { f.forward(far, near, age) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return f
}

// forward forwards one direction of a connection that was made at the given age.
func (f *forgetful) forward(from, to net.Conn, age int64) {
	piece := make([]byte, 1<<14)
	for {
		n, err := from.Read(piece)
		if f.age.Load() != age {
			if err != nil {
				return // the other end does not learn that this one is closed
			}
			continue
		}
		if err != nil {
			to.Close()
			return
		}
		if _, err := to.Write(piece[:n]); err != nil {
			from.Close()
			return
		}
	}
}

// throughForgetful returns a client of the world by way of TLS and a forgetful gateway.
func throughForgetful(t *testing.T, handler http.Handler, http2 bool) (*deadline.Client, *forgetful) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	gateway := newForgetful(t, server.Listener.Addr().String())
	authorities := x509.NewCertPool()
	authorities.AddCert(server.Certificate())
	client := deadline.New(deadline.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("https://" + gateway.Addr().String()),
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.TLSClientConfig = &tls.Config{RootCAs: authorities}
		}),
	}, ClientOptions)
	return client, gateway
}

// deadAfter is how long a connection may be dead before everything goes on without it.
const deadAfter = 20 * time.Second

// When all connections die silently, every worker is listed again within 20 s, over HTTP/1.1 and HTTP/2, and in a pool of
// many connections too.
func TestConnectionsThatDieSilently(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 15 s")
	}
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const workers = 60
			world := newWorld(farmtest.Config{})
			for range workers - 1 {
				world.fleet.AddWorker()
			}
			var mu sync.Mutex
			asked := map[string]time.Time{} // when a worker was last listed
			client, gateway := throughForgetful(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if version := r.Proto; (version == "HTTP/2.0") != http2 {
					t.Errorf("a request by %s", version)
				}
				time.Sleep(100 * time.Millisecond) // so that many requests are under way
				mu.Lock()
				asked[r.URL.Path] = time.Now()
				mu.Unlock()
				world.ServeHTTP(w, r)
			}), http2)
			watch(t, client, Config{Rate: 300, Staleness: 200 * time.Millisecond, Discovery: time.Second})
			allSince := func(since time.Time) bool {
				mu.Lock()
				defer mu.Unlock()
				n := 0
				for _, at := range asked {
					if at.After(since) {
						n++
					}
				}
				return n >= workers+3 // with the lists of farms, fleets and workers
			}
			await := func(what string, limit time.Duration) (took time.Duration) {
				t.Helper()
				began := time.Now()
				for !allSince(began) {
					if time.Since(began) > limit {
						t.Fatalf("%s: not everything was asked for within %s", what, limit)
					}
					time.Sleep(10 * time.Millisecond)
				}
				return time.Since(began)
			}
			await("at first", 4*deadAfter)
			await("again", 4*deadAfter)
			before := gateway.accepted.Load()
			gateway.age.Add(1)
			took := await("after all connections died", 4*deadAfter)
			t.Logf("%d connections died, and after %s everything was asked for again", before, took.Round(time.Millisecond))
			// On a machine with nothing else to do it takes 15 s. On a busy one, the handshakes of many connections at once may
			// fail once more. TestTimeoutsOfConnections checks the limit itself.
			if took > 2*deadAfter {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A pool of idle connections that all died costs one request that is not answered, and not one for each connection.
func TestIdleConnectionsThatDieSilently(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 11 s")
	}
	t.Parallel()
	world := newWorld(farmtest.Config{})
	const connections = 40
	var arrived atomic.Int64
	client, gateway := throughForgetful(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Add(1)
		for arrived.Load() < connections && r.Context().Err() == nil { // so that each has a connection of its own, and none is being made later
			time.Sleep(10 * time.Millisecond)
		}
		world.ServeHTTP(w, r)
	}), false)
	var filling sync.WaitGroup
	for range connections {
		filling.Go(func() {
			if _, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{}); err != nil {
				t.Error(err)
			}
		})
	}
	filling.Wait()
	if n := gateway.accepted.Load(); n < connections {
		t.Fatalf("there are only %d connections", n)
	}
	gateway.age.Add(1)
	began := time.Now()
	w := watch(t, client, Config{Rate: 5, Staleness: time.Second})
	for len(w.seen(world.worker.ID())) == 0 {
		if time.Since(began) > 4*deadAfter {
			t.Fatalf("the worker is not listed within %s", time.Since(began))
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(began)
	t.Logf("the worker was listed after %s", took.Round(time.Millisecond))
	// On a machine with nothing else to do it takes 11 s, and on a busy one longer. If each of the connections cost a request, it would
	// take minutes.
	if took > 2*deadAfter {
		t.Errorf("the worker was listed after %s", took)
	}
}

// The timeouts themselves keep what a dead connection costs below the limit: the one of HTTP/1.1 a request and a new
// connection, the one of HTTP/2 a ping and a new connection, on which the request may wait for another attempt.
func TestTimeoutsOfConnections(t *testing.T) {
	newConnection := dialTimeout + tlsTimeout
	if cost := requestTimeout + newConnection; cost > deadAfter || newConnection > requestTimeout {
		t.Errorf("HTTP/1.1: %s", cost)
	}
	if cost := pingAfter + pingTimeout + newConnection; cost > deadAfter {
		t.Errorf("HTTP/2: %s", cost)
	}
	transport := pooledClient(awshttp.NewBuildableClient()).Transport.(*http.Transport)
	if transport.HTTP2.SendPingTimeout != pingAfter || transport.HTTP2.PingTimeout != pingTimeout || transport.HTTP2.WriteByteTimeout != writeTimeout ||
		transport.TLSHandshakeTimeout != tlsTimeout || transport.DisableKeepAlives || !transport.ForceAttemptHTTP2 {
		t.Error("the client of Deadline Cloud lacks a timeout")
	}
	if client := boundedClient(awshttp.NewBuildableClient()); client.GetTimeout() != requestTimeout || client.GetDialer().Timeout != dialTimeout ||
		client.GetTransport().TLSHandshakeTimeout != tlsTimeout || !client.GetTransport().DisableKeepAlives {
		t.Error("the client of credential providers lacks a timeout")
	}
}

// Whoever stops answering, at whichever moment, is waited for no longer than requestTimeout.
func TestServersThatStopAnswering(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes 10 s")
	}
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections wait in its queue forever
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half/2023-10-12/farms" {
			_, _ = io.WriteString(w, `{"farms":[`) // the client finds out
			_ = http.NewResponseController(w).Flush()
		}
		<-ended
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(ended) })
	var all sync.WaitGroup // and no subtests, of which only as many run at once as there are processors
	for name, endpoint := range map[string]string{
		"no handshake": "https://" + silent.Addr().String(), "no header": server.URL, "half a body": server.URL + "/half",
	} {
		all.Go(func() {
			client := deadline.New(deadline.Options{
				Region: "eu-west-1", BaseEndpoint: aws.String(endpoint), Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
			}, ClientOptions)
			began := time.Now()
			_, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
			if took := time.Since(began); err == nil || took > deadAfter || classify(err, 0) != schedule.Timeout {
				t.Errorf("%s: %v (%s) after %s", name, err, classify(err, 0), took)
			}
		})
	}
	all.Wait()
}
