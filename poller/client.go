package poller

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/zap"
)

// ErrRegion means that no region is configured, or that its name is not valid.
var ErrRegion = errors.New("no AWS region: set AWS_REGION, or region in the profile that AWS_PROFILE names")

// ErrCredentials means that there are no usable credentials, or that they have expired.
var ErrCredentials = errors.New(noCredentials + "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the host a role")

// NewClient makes a client of Deadline Cloud from the SDK's own settings (AWS_REGION, AWS_PROFILE,
// AWS_ENDPOINT_URL_DEADLINE and so on). A custom endpoint is used as it is, without the "management."
// prefix. The SDK's retries are off, because every attempt counts against the API budget. Options may turn
// them on for a client that no Poller uses. A request is given up after 10 seconds. What the SDK logs is
// written to log, without anything that may be a secret.
//
// The region is in the client's Options. An error is the context's, or it is about the configuration. Then it
// names the setting that is wrong, never quotes the SDK's own text, which may hold a secret, and wraps
// ErrRegion or ErrCredentials if it is about them. There is no error if credentials are configured and cannot be
// fetched now, but may be later, because whoever gives them out is not reachable, has a fault, or throttles. That is
// logged as a warning, and requests fail until the credentials can be fetched.
func NewClient(ctx context.Context, log *zap.Logger, options ...func(*deadline.Options)) (*deadline.Client, error) {
	metadata := new(metadataService)
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithAPIOptions([]func(*middleware.Stack) error{metadata.options}),
		config.WithLogger(sdkLogger{log}),
		config.WithHTTPClient(boundedClient(awshttp.NewBuildableClient())),
		config.WithCredentialsCacheOptions(func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = expiryWindow }))
	if err != nil {
		return nil, loadError(ctx, err)
	}
	if err := checkRegion(cfg.Region); err != nil {
		return nil, err
	}
	c := newChain(cfg.Credentials, settingsOf(cfg), metadata)
	cfg.Credentials = c
	options = append([]func(*deadline.Options){ClientOptions}, options...)
	client := deadline.NewFromConfig(cfg, options...)
	if err := checkEndpoint(aws.ToString(client.Options().BaseEndpoint)); err != nil {
		return nil, err
	}
	waits, err := c.check(ctx)
	if err != nil {
		return nil, err
	}
	if waits != nil {
		log.Warn("the credentials cannot be fetched yet; they are asked for again", zap.Error(waits))
	}
	return client, nil
}

// ClientOptions sets what every client of a Poller needs, whatever its credentials are: no retries of the SDK, a timeout
// of 10 seconds for each request, enough connections, of which none is used on when it is dead, and no prefix before the
// host of a custom endpoint.
func ClientOptions(o *deadline.Options) {
	o.Retryer = aws.NopRetryer{}
	client, ok := o.HTTPClient.(*awshttp.BuildableClient) // it trusts the authorities of AWS_CA_BUNDLE
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	o.HTTPClient = pooledClient(client)
	if o.BaseEndpoint != nil {
		o.APIOptions = append(o.APIOptions, withoutHostPrefix)
	}
}

// withoutHostPrefix is an API option for a client with a custom endpoint. It keeps "management." off the
// host, because the endpoint is the whole name. It has to be a middleware, because the SDK clears such
// values from the caller's context.
func withoutHostPrefix(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("WithoutHostPrefix",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
		}), middleware.Before)
}
