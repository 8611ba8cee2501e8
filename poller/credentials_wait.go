package poller

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// credentialPause is how long nobody is asked for credentials after they could not be fetched.
const credentialPause = 5 * time.Second

// errUnfetched is wrapped by an ErrCredentials that may pass by itself, because whoever gives the credentials out
// cannot be reached, has a fault, or throttles.
var errUnfetched = errors.New("the credentials cannot be fetched")

// unfetched returns an ErrCredentials that wraps errUnfetched.
func unfetched(why string, cause error) error {
	return awserr.New("the AWS credentials cannot be fetched: "+why, errors.Join(ErrCredentials, errUnfetched, cause))
}

// mayPass reports whether credentials may be had later although nobody changes a setting. The error is the SDK's.
//
// What AWS or a container's endpoint answered passes if it is a throttled request or a fault of the service. A status
// of 404 does not pass: the endpoint works, and has no credentials for this container. Where nobody answered, that
// passes, except that an instance's metadata service that is not there means that this is no EC2 instance.
func (c chain) mayPass(err error) bool {
	if errors.As(err, new(*processcreds.ProviderError)) {
		return false // it ran, and its exit code does not say more
	}
	status := httpStatus(err)
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case status == http.StatusTooManyRequests || status >= 500:
		return true
	case answered:
		return isPassingAnswer(api)
	case status >= 300:
		return false
	case c.comesFrom(aws.CredentialSourceIMDS) && c.settings.profile.CredentialSource == "" && c.metadata.status.Load() == 0:
		return false
	}
	return !c.isMisconfigured() && awserr.IsUnreachable(err)
}

// metadataService notes what the instance's metadata service answers. The SDK asks it again and again for 5 seconds, and
// then its error says only that the time is over.
type metadataService struct {
	status atomic.Int64 // of the last answer; 0 if there was none
}

// options is an API option of the SDK's clients.
func (m *metadataService) options(stack *middleware.Stack) error {
	if stack.ID() != "GetToken" && stack.ID() != "GetMetadata" {
		return nil // a client of another service
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("NoteMetadataService",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if response, ok := out.RawResponse.(*smithyhttp.Response); ok && err == nil {
				m.status.Store(int64(response.StatusCode))
			}
			return out, metadata, err
		}), middleware.After)
}

// badStatus returns the HTTP status of the answer that may pass and has no code of its own, or 0.
func (c chain) badStatus(err error) int {
	if status := httpStatus(err); status > 0 || !c.comesFrom(aws.CredentialSourceIMDS) {
		return status
	}
	return int(c.metadata.status.Load())
}

// httpStatus returns the HTTP status of the answer that an error of the SDK is about, or 0.
func httpStatus(err error) int {
	if s, ok := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); ok {
		return s.HTTPStatusCode()
	}
	return 0
}

// isPassingAnswer reports whether the code of an answer means that the same request may succeed later.
func isPassingAnswer(api smithy.APIError) bool {
	_, isThrottle := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	_, isTimeout := retry.DefaultRetryableErrorCodes[api.ErrorCode()]
	passing := []string{
		"IDPCommunicationError", // STS could not reach the identity provider
		"InternalFailure", "InternalError", "ServiceUnavailable",
	}
	return isThrottle || isTimeout || api.ErrorFault() == smithy.FaultServer || slices.Contains(passing, api.ErrorCode())
}

// isMisconfigured reports whether a setting keeps the credentials from being fetched, although it looks as if nobody
// answered.
func (c chain) isMisconfigured() bool {
	switch {
	case c.ssoRegion() != "":
		return true
	case c.comesFrom(aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken):
		return tokenFile("", c.settings.webIdentityFile(), false) != ""
	case c.comesFrom(aws.CredentialSourceHTTP):
		return c.settings.containerToken() != ""
	}
	return false
}

// unfetchedPause is the errUnfetched of a short while ago. While it lasts nobody is asked for credentials again.
type unfetchedPause struct {
	mu    sync.Mutex
	err   error
	until time.Time
}

// set begins a pause if the error may pass.
func (p *unfetchedPause) set(err error) {
	if !errors.Is(err, errUnfetched) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err, p.until = err, time.Now().Add(credentialPause)
}

// now returns the error, or nil if there is no pause.
func (p *unfetchedPause) now() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.err
	}
	return nil
}

// check retrieves the credentials once, so that an error is found before the first request. Waits is an error that may
// pass by itself, and err one that cannot.
func (c chain) check(ctx context.Context) (waits, err error) {
	limited, cancel := context.WithTimeout(ctx, credentialsTimeout)
	defer cancel()
	_, err = c.Retrieve(limited)
	if errors.Is(err, errUnfetched) && ctx.Err() == nil {
		return err, nil
	}
	return nil, err
}
