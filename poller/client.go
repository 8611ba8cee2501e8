package poller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	requestTimeout     = 10 * time.Second // one attempt, from its first byte to its last
	credentialsTimeout = 15 * time.Second // the SDK asks the instance's metadata service last, and slowly
	connectionsPerHost = 80               // a little more than the calls in flight
)

// ErrRegion says that no region is configured.
var ErrRegion = errors.New("no AWS region: set AWS_REGION, or region in the profile that AWS_PROFILE names")

// ErrCredentials says that there are no credentials to sign with, or that they have expired.
var ErrCredentials = errors.New("no usable AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the host a role")

// NewClient makes a client of Deadline Cloud from the SDK's own settings (AWS_REGION,
// AWS_PROFILE, AWS_ENDPOINT_URL_DEADLINE and so on). A custom endpoint is used as it is,
// without the "management." prefix. The SDK's retries are off, because every attempt counts
// against the API budget; options may turn them on for a client that no Poller uses.
// No request lasts longer than 10 seconds.
//
// The region is in the client's Options. The error wraps ErrRegion or ErrCredentials where
// one of them is missing.
func NewClient(ctx context.Context, options ...func(*deadline.Options)) (*deadline.Client, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return nil, ErrRegion
	}
	if err := checkCredentials(ctx, cfg.Credentials); err != nil {
		return nil, err
	}
	options = append([]func(*deadline.Options){clientOptions}, options...)
	return deadline.NewFromConfig(cfg, options...), nil
}

// checkCredentials fails now rather than at every request.
func checkCredentials(ctx context.Context, provider aws.CredentialsProvider) error {
	if provider == nil {
		return ErrCredentials
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	c, err := provider.Retrieve(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w (%w)", ErrCredentials, err)
	case c.Expired():
		return fmt.Errorf("%w (they expired at %s)", ErrCredentials, c.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// clientOptions are the settings that every client of Farmwire has.
func clientOptions(o *deadline.Options) {
	o.Retryer = aws.NopRetryer{}
	o.HTTPClient = awshttp.NewBuildableClient().
		WithTimeout(requestTimeout).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = connectionsPerHost
			t.MaxIdleConnsPerHost = connectionsPerHost
			t.MaxConnsPerHost = connectionsPerHost
			t.TLSHandshakeTimeout = requestTimeout / 2
			t.ResponseHeaderTimeout = requestTimeout
		})
	if o.BaseEndpoint != nil {
		o.APIOptions = append(o.APIOptions, withoutHostPrefix)
	}
}

// withoutHostPrefix keeps "management." off the host: a custom endpoint is the whole name.
// It has to be a middleware, because the SDK clears such values from the caller's context.
func withoutHostPrefix(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("WithoutHostPrefix",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
		}), middleware.Before)
}
