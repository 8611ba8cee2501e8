package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path"
	"sync"
	"time"
)

// keyLife is how long keys last. Farmwire fetches new ones ten seconds before their end.
const keyLife = 40 * time.Second

// credentials is an endpoint like that of a container: it gives out keys that soon expire. The last part of a request's
// path becomes the access key id.
type credentials struct {
	http *http.Server
	addr string
	done chan error

	mu      sync.Mutex
	failing bool
	expire  time.Time // of the newest keys
}

func openCredentials() (*credentials, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &credentials{addr: listener.Addr().String(), done: make(chan error, 1)}
	c.http = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() { c.done <- c.http.Serve(listener) }()
	return c, nil
}

// ServeHTTP implements [http.Handler].
func (c *credentials) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	failing := c.failing
	expires := time.Now().Add(keyLife).UTC()
	if !failing {
		c.expire = expires
	}
	c.mu.Unlock()
	if failing {
		http.Error(w, "the endpoint fails", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{ // a client that has left needs no answer
		"AccessKeyId": path.Base(r.URL.Path), "SecretAccessKey": "chaos", "Token": "chaos", "Expiration": expires.Format(time.RFC3339),
	})
}

// fail makes the endpoint answer with 500, or not any more.
func (c *credentials) fail(failing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failing = failing
}

// expires is when the newest keys expire.
func (c *credentials) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expire
}

func (c *credentials) close() error {
	err := c.http.Close()
	if served := <-c.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
