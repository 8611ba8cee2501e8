package poller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	sdkcredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
)

const (
	credentialsTimeout = 15 * time.Second // the SDK asks the instance's metadata service last, and slowly

	// expiryWindow is how long before credentials expire new ones are fetched, so that no request in flight
	// outlives them. The SDK's own five minutes for containers would be too long: credentials that the
	// container does not renew any more would count as expired while they still work.
	expiryWindow = requestTimeout
)

// chain is the SDK's chain of credential providers. Its errors wrap ErrCredentials and quote no secret.
type chain struct {
	*aws.CredentialsCache
	settings settings
	metadata *metadataService
	pause    *unfetchedPause
}

func newChain(provider aws.CredentialsProvider, s settings, m *metadataService) chain {
	cache, ok := provider.(*aws.CredentialsCache)
	if !ok {
		cache = aws.NewCredentialsCache(provider)
	}
	return chain{cache, s, m, new(unfetchedPause)}
}

const noCredentials = "no usable AWS credentials: "

// unusable returns an ErrCredentials that says why there are no credentials. The cause may be nil.
func unusable(why string, cause error) error {
	return awserr.New(noCredentials+why, errors.Join(ErrCredentials, cause))
}

// Retrieve returns the credentials, or an ErrCredentials that says why there are none. While they cannot be fetched, it asks
// for them about once in credentialPause.
func (c chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if err := c.pause.now(); err != nil {
		return aws.Credentials{}, err
	}
	keys, err := c.retrieve(ctx)
	c.pause.set(err)
	return keys, err
}

// retrieve asks the SDK's chain.
func (c chain) retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := c.CredentialsCache.Retrieve(ctx)
	switch {
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return aws.Credentials{}, ctx.Err()
	case err != nil && c.mayPass(err):
		return aws.Credentials{}, unfetched(c.why(err), err)
	case err != nil:
		return aws.Credentials{}, unusable(c.why(err), err)
	case keys.CanExpire && time.Now().After(keys.Expires.Add(expiryWindow)):
		return aws.Credentials{}, unusable(fmt.Sprintf("those of %s expired at %s", c.source(), keys.Expires.Add(expiryWindow).UTC().Format(time.RFC3339)), nil)
	}
	if name := c.invalidKey(keys); name != "" {
		return aws.Credentials{}, unusable(name+" has a line break, a space, a quote or another character that is not allowed in it", nil)
	}
	return keys, nil
}

// invalidKey returns the name of the key that has a character with which no request can be signed or sent, or
// an empty name if there is none.
func (c chain) invalidKey(keys aws.Credentials) string {
	isWrong := func(r rune) bool { return isDisallowed(r) || r == '"' || r == '\'' }
	for _, key := range [...]struct{ setting, value string }{
		{"aws_access_key_id", keys.AccessKeyID}, {"aws_secret_access_key", keys.SecretAccessKey}, {"aws_session_token", keys.SessionToken},
	} {
		switch {
		case !strings.ContainsFunc(key.value, isWrong):
		case keys.Source == config.CredentialsSourceName:
			return strings.ToUpper(key.setting)
		default:
			return key.setting + " of " + c.source()
		}
	}
	return ""
}

// comesFrom reports whether the credentials come from one of the sources, directly or by way of a role.
func (c chain) comesFrom(sources ...aws.CredentialSource) bool {
	return slices.ContainsFunc(c.ProviderSources(), func(s aws.CredentialSource) bool { return slices.Contains(sources, s) })
}

// source describes where the credentials come from.
func (c chain) source() string {
	profile := fmt.Sprintf("the profile %s", quoted(profileName()))
	switch {
	case c.comesFrom(aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken):
		return "the web identity of " + firstSet("web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE")
	case c.comesFrom(aws.CredentialSourceProcess):
		return "the credential_process of " + profile
	case c.comesFrom(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy):
		return "the SSO session of " + profile
	case c.comesFrom(aws.CredentialSourceLogin):
		return "the login session of " + profile
	case c.comesFrom(aws.CredentialSourceHTTP) && c.leaf().CredentialSource != "Environment":
		return "the container's endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI)"
	case c.comesFrom(aws.CredentialSourceIMDS):
		return "the instance's metadata service"
	case c.settings.env.Credentials.HasKeys() || c.leaf().CredentialSource == "Environment":
		return "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)"
	}
	return profile
}

// why describes why there are no credentials, and what to do about it.
func (c chain) why(err error) string {
	if e, ok := errors.AsType[*processcreds.ProviderError](err); ok {
		return c.source() + " " + processWords(e)
	}
	api, answered := errors.AsType[smithy.APIError](err)
	unanswered := errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(interface {
		error
		ConnectionError() bool
	}))
	switch {
	case c.ssoRegion() != "" && unanswered:
		return c.ssoRegion()
	case c.comesFrom(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy) && c.loggedOut(err, api, answered || unanswered):
		return fmt.Sprintf("%s has expired or does not exist; run: aws sso login --profile %s", c.source(), quoted(c.leaf().Profile))
	case c.comesFrom(aws.CredentialSourceLogin) && !unanswered && !c.mayPass(err):
		return fmt.Sprintf("%s has expired or does not exist; run: aws login --profile %s", c.source(), quoted(c.leaf().Profile))
	case answered:
		return fmt.Sprintf("%s: %s answered with %s", c.source(), failedOperation(err), awserr.DescribeAnswer(api, err))
	}
	if c.mayPass(err) {
		if status := c.badStatus(err); status >= 400 {
			return fmt.Sprintf("%s: it answered with status %d", c.source(), status)
		}
		return fmt.Sprintf("%s: %s", c.source(), awserr.DescribeTransport(err))
	}
	if errors.As(err, new(*sdkcredentials.StaticCredentialsEmptyError)) {
		return fmt.Sprintf("the profile %s has credential_source = Environment, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set", quoted(profileName()))
	}
	if words := tokenFile(firstSet("", "AWS_WEB_IDENTITY_TOKEN_FILE"), c.settings.webIdentityFile(), false); words != "" && c.comesFrom(aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken) {
		return words
	}
	if words := c.settings.containerToken(); words != "" && c.comesFrom(aws.CredentialSourceHTTP) {
		return words
	}
	if c.comesFrom(aws.CredentialSourceIMDS) && c.settings.profile.CredentialSource == "" {
		return c.settings.notConfigured()
	}
	return fmt.Sprintf("%s: %s", c.source(), awserr.DescribeTransport(err))
}

// loggedOut reports whether an error is about the SSO session itself, and not about reaching SSO or about a
// role that the session may not assume. Requested is whether SSO was sent a request, and api its answer, or
// nil.
func (c chain) loggedOut(err error, api smithy.APIError, requested bool) bool {
	if errors.As(err, new(*ssocreds.InvalidTokenError)) {
		return true
	}
	if api != nil {
		return slices.Contains([]string{"UnauthorizedException", "InvalidGrantException", "ExpiredTokenException", "InvalidClientException", "UnauthorizedClientException"}, api.ErrorCode())
	}
	return !requested
}

// ssoRegion describes what is wrong with the region of SSO. It is empty if nothing is, or if there is none.
func (c chain) ssoRegion() string {
	region := c.leaf().SSORegion
	if c.leaf().SSOSession != nil {
		region = c.leaf().SSOSession.SSORegion
	}
	if region == "" {
		return ""
	}
	return regionWords(fmt.Sprintf("sso_region of the profile %s", quoted(c.leaf().Profile)), region)
}

// leaf returns the profile at the end of all source_profiles, which is the one that has credentials.
func (c chain) leaf() *config.SharedConfig {
	p := &c.settings.profile
	for p.Source != nil {
		p = p.Source
	}
	return p
}

// failedOperation names the service and the operation that failed.
func failedOperation(err error) string {
	if op, ok := errors.AsType[*smithy.OperationError](err); ok {
		for inner := op; inner != nil; { // the innermost is the one that failed
			op = inner
			inner, _ = errors.AsType[*smithy.OperationError](op.Err)
		}
		return op.ServiceID + "'s " + op.OperationName
	}
	return "it"
}

// processWords describes how a credential_process failed. It does not quote what the process printed.
func processWords(err *processcreds.ProviderError) string {
	if e, ok := errors.AsType[*exec.ExitError](err); ok && e.ExitCode() >= 0 {
		return fmt.Sprintf("ended with exit code %d; run it by hand to see what it says", e.ExitCode())
	} else if ok {
		return "was killed, or took too long"
	}
	if errors.As(err, new(*exec.Error)) {
		return "can't be started"
	}
	return "did not print a JSON object with Version 1, AccessKeyId and SecretAccessKey; run it by hand to see what it says"
}

// webIdentityFile returns the name of the configured file with the web identity token.
func (s settings) webIdentityFile() string {
	if s.env.WebIdentityTokenFilePath != "" {
		return s.env.WebIdentityTokenFilePath
	}
	return s.profile.WebIdentityTokenFile
}

// containerToken describes what is wrong with the token for the container's endpoint. It is empty if nothing
// is.
func (s settings) containerToken() string {
	const variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
	if file := os.Getenv(variable + "_FILE"); file != "" {
		return tokenFile(variable+"_FILE", file, true)
	}
	if strings.ContainsFunc(s.env.ContainerAuthorizationToken, func(r rune) bool { return r < ' ' || r > '~' }) {
		return variable + " has a line break or another character that is not allowed in a token"
	}
	return ""
}

// tokenFile describes what is wrong with a file that holds a token and that a setting names. It is empty if
// nothing is.
func tokenFile(setting, file string, oneLine bool) string {
	text, err := os.ReadFile(file)
	switch {
	case err != nil:
		return "the file that " + setting + " names can't be read" + because(err)
	case len(text) == 0:
		return "the file that " + setting + " names is empty"
	case oneLine && strings.ContainsFunc(string(text), func(r rune) bool { return r < ' ' || r > '~' }):
		return "the token in the file that " + setting + " names has a line break in it or after it; the file must hold the token alone"
	}
	return ""
}

// notConfigured describes that there are no credentials in the environment or in the profile.
func (s settings) notConfigured() string {
	words := strings.TrimPrefix(ErrCredentials.Error(), noCredentials)
	id, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	switch {
	case id != "" && secret == "":
		words += "; AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"
	case id == "" && secret != "":
		words += "; AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not"
	case s.env.SharedConfigProfile != "":
		words += fmt.Sprintf("; the profile %s has none", quoted(s.env.SharedConfigProfile))
	}
	return words + brokenLines()
}
