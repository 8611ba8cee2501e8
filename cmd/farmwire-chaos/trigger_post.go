package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"farmwire/cmd/command"
	"farmwire/cmd/farmwire-chaos/receiver"
)

// postCmd is the command that farmwire trigger runs: it posts the event on its stdin to the receiver until it gets a yes or a no,
// and says so by its exit code.
type postCmd struct {
	URL string `arg:""`
}

const (
	postTimeout = time.Second            // of one request
	postPause   = 200 * time.Millisecond // between two requests
	postLasts   = time.Minute            // after which it gives up; the trigger ends it before, unless it was killed
)

// Run returns nil if the receiver has taken the event.
func (c *postCmd) Run(ctx context.Context, std command.Streams) error {
	ctx, cancel := context.WithTimeout(ctx, postLasts)
	defer cancel()
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	for ; ctx.Err() == nil; pause(ctx, postPause) {
		switch status := c.post(ctx, body); {
		case 200 <= status && status <= 299:
			return nil
		case status == receiver.Hanging:
			<-ctx.Done()
		case status != 0 && status != 429 && status != 502 && status != 503 && status != 504:
			return fmt.Errorf("the receiver says %d", status)
		}
	}
	return ctx.Err()
}

// post returns the status of the answer, or 0 if there is none.
func (c *postCmd) post(ctx context.Context, body []byte) int {
	ctx, cancel := context.WithTimeout(ctx, postTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/cloudevents+json")
	request.Header.Set("Farmwire-Id", os.Getenv("FARMWIRE_ID"))
	answer, err := http.DefaultTransport.RoundTrip(request) // a client would follow redirects
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	return answer.StatusCode
}
