package poller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const canary = "CANARY-wJalrXUtnFEMIK7MDENG"

// hides checks that an error matches want and does not contain the canary.
func hides(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, form := range encodings(canary) {
		if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(form)) {
			t.Errorf("%s: shows %s: %v", what, form, err)
		}
	}
	if !regexp.MustCompile(want).MatchString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%s: %v; want %s", what, err, want)
	}
}

// webIdentity are the settings for a role that is assumed at this endpoint of STS.
func webIdentity(t *testing.T, endpoint string) map[string]string {
	return map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": written(t, canary), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS": endpoint}
}

// instance are the settings for an instance's metadata service.
func instance(endpoint string) map[string]string {
	return map[string]string{"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint}
}

// distrusted returns the URL of a server whose certificate nobody trusts.
func distrusted(t *testing.T) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// saying returns the URL of a server that answers so, and appends the token that it was sent. With status 0 it closes the
// connection instead.
func saying(t *testing.T, status int, kind, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body, r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Whatever is wrong with the settings and the sources of credentials, the error names the one that is wrong, and
// repeats nothing of it that may be secret.
func TestWhyThereIsNoClient(t *testing.T) {
	sts := func(code string) string {
		return fmt.Sprintf(`<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>the token %s of User: arn:aws:sts::1:assumed-role/x/%s is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/r</Message></Error><RequestId>%s</RequestId></ErrorResponse>`, code, canary, canary, canary)
	}
	base := "\n[profile base]\naws_access_key_id = AKID\naws_secret_access_key = " + canary + "\n"
	session := "[default]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://studio.awsapps.com/start\n"
	for name, c := range map[string]struct {
		env         map[string]string
		config      string
		credentials string
		want        string
		waits       bool // there is a client, and the log says why it has no credentials yet
	}{
		"nothing":               {want: `^no usable AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`},
		"half a key":            {env: map[string]string{"AWS_SECRET_ACCESS_KEY": canary}, want: `AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not`},
		"half a key, id":        {env: map[string]string{"AWS_ACCESS_KEY_ID": canary}, want: `AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not`},
		"token with newline":    {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": canary + "\n"}, want: `^no usable AWS credentials: AWS_SESSION_TOKEN has a line break`},
		"secret with newline":   {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": canary + "\r\n"}, want: `^no usable AWS credentials: AWS_SECRET_ACCESS_KEY has a line break`},
		"quoted secret":         {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": `"` + canary + `"`}, want: `^no usable AWS credentials: AWS_SECRET_ACCESS_KEY has .* a quote`},
		"id with space":         {env: map[string]string{"AWS_ACCESS_KEY_ID": canary + " ", "AWS_SECRET_ACCESS_KEY": canary}, want: `^no usable AWS credentials: AWS_ACCESS_KEY_ID has .* a space`},
		"no such profile":       {env: map[string]string{"AWS_PROFILE": "stduio"}, config: "[profile studio]\n", want: `there is no profile "stduio" in the AWS configuration; check AWS_PROFILE`},
		"malformed line":        {credentials: "[default]\naws_access_key_id = AKID\naws_secret_access_key " + canary + "\n", want: `the profile "default" has only one of .*; line 3 of the file that AWS_SHARED_CREDENTIALS_FILE names is neither a \[section\] nor name = value`},
		"malformed section":     {credentials: "[default\naws_access_key_id = AKID\naws_secret_access_key = " + canary + "\n", want: `line 1 of the file that AWS_SHARED_CREDENTIALS_FILE names is neither`},
		"no section":            {credentials: "aws_access_key_id = AKID\naws_secret_access_key = " + canary + "\n", want: `line 1 of the file that AWS_SHARED_CREDENTIALS_FILE`},
		"UTF-16":                {credentials: "\xff\xfe[\x00d\x00e\x00f\x00a\x00u\x00l\x00t\x00]\x00\n\x00", want: `line 1 of the file that AWS_SHARED_CREDENTIALS_FILE`},
		"split token":           {credentials: "[default]\naws_access_key_id = AKID\naws_secret_access_key = x\naws_session_token = x\n  " + canary + "\n", want: `^no usable AWS credentials: aws_session_token of the profile "default" has a line break`},
		"file is the secret":    {env: map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "/" + canary}, want: `the file that AWS_SHARED_CREDENTIALS_FILE names can't be read: no such file`},
		"config value":          {config: "[default]\nretry_mode = " + canary + "\n", want: `retry_mode of the profile "default" has a value that the AWS SDK does not accept`},
		"environment value":     {env: map[string]string{"AWS_MAX_ATTEMPTS": canary}, want: `AWS_MAX_ATTEMPTS has a value that the AWS SDK does not accept`},
		"source profile":        {config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = gone\n", want: `names the source_profile "gone", which does not exist`},
		"mfa":                   {config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nmfa_serial = x\nsource_profile = base\n" + base, want: `asks for an MFA code`},
		"process ends":          {config: "[default]\ncredential_process = sh -c 'echo " + canary + "; echo " + canary + " >&2; exit 3'\n", want: `the credential_process of the profile "default" ended with exit code 3`},
		"no such process":       {config: "[default]\ncredential_process = /nowhere/" + canary + "\n", want: `ended with exit code 127`},
		"process prints":        {config: "[default]\ncredential_process = echo " + canary + "\n", want: `did not print a JSON object with Version 1`},
		"process prints keys":   {config: "[default]\ncredential_process = echo '{\"Version\":1,\"SecretAccessKey\":\"" + canary + "\"}'\n", want: `did not print a JSON object with Version 1`},
		"process, time":         {config: "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\"Expiration\":\"" + canary + "\"}'\n", want: `did not print a JSON object with Version 1`},
		"process, expired":      {config: "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" + canary + "\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'\n", want: `those of the credential_process of the profile "default" expired at 2020-01-01T00:00:00Z`},
		"process of a role":     {config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = p\n[profile p]\ncredential_process = sh -c 'echo " + canary + "; exit 3'\n", want: `credential_process .* exit code 3`},
		"container, text":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 400, "text/plain", canary), "AWS_CONTAINER_AUTHORIZATION_TOKEN": canary}, want: `the container's endpoint .*: it answered with an error without a code, status 400$`},
		"container, JSON":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 403, "application/json", `{"code":"AccessDenied","message":"`+canary+`"}`), "AWS_CONTAINER_AUTHORIZATION_TOKEN": canary}, want: `it answered with AccessDenied, status 403$`},
		"container, code":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 403, "application/json", `{"code":"`+canary+`","message":"x"}`)}, want: `status 403$`},
		"container, garbage":    {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 200, "text/plain", canary)}, want: `the container's endpoint .*: the answer can't be read$`},
		"container, time":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 200, "text/plain", `{"AccessKeyId":"A","SecretAccessKey":"S","Expiration":"`+canary+`"}`)}, want: `the answer can't be read$`},
		"container, token":      {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": canary + "\n"}, want: `AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break`},
		"container, no file":    {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/" + canary}, want: `the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names can't be read: no such file`},
		"container, file":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": written(t, canary+"\n")}, want: `the token in the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names has a line break`},
		"container, broken":     {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 500, "text/plain", canary)}, waits: true, want: `the container's endpoint .*: it answered with an error without a code, status 500$`},
		"container, unknown":    {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": saying(t, 404, "text/plain", canary)}, want: `status 404$`},
		"container, refused":    {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://u:" + canary + "@127.0.0.1:1"}, waits: true, want: `the container's endpoint .*: connection refused$`},
		"container, URL":        {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://u:" + canary + "%zz@127.0.0.1:1"}, want: `AWS_CONTAINER_CREDENTIALS_FULL_URI`},
		"container, host":       {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://u:" + canary + "@192.0.2.1:1"}, want: `AWS_CONTAINER_CREDENTIALS_FULL_URI`},
		"web identity, no file": {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/" + canary, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}, want: `the file that AWS_WEB_IDENTITY_TOKEN_FILE names can't be read: no such file`},
		"web identity, empty":   {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": written(t, ""), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}, want: `AWS_WEB_IDENTITY_TOKEN_FILE`},
		"web identity, no role": {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": written(t, canary)}, want: `AWS_ROLE_ARN`},
		"web identity, refused": {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": written(t, canary), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS": saying(t, 400, "text/xml", sts("InvalidIdentityToken"))}, want: `the web identity of AWS_WEB_IDENTITY_TOKEN_FILE: STS's AssumeRoleWithWebIdentity answered with InvalidIdentityToken, status 400`},
		"web identity, no IDP":  {env: webIdentity(t, saying(t, 400, "text/xml", sts("IDPCommunicationError"))), waits: true, want: `AssumeRoleWithWebIdentity answered with IDPCommunicationError, status 400`},
		"web identity, busy":    {env: webIdentity(t, saying(t, 400, "text/xml", sts("Throttling"))), waits: true, want: `AssumeRoleWithWebIdentity answered with Throttling, status 400`},
		"web identity, cut":     {env: webIdentity(t, saying(t, 0, "", "")), waits: true, want: `the web identity of AWS_WEB_IDENTITY_TOKEN_FILE: (the connection was closed|the request failed|connection reset)`},
		"web identity, TLS":     {env: webIdentity(t, distrusted(t)), want: `the web identity of AWS_WEB_IDENTITY_TOKEN_FILE: the certificate was issued by an unknown authority`},
		"web identity, page":    {env: webIdentity(t, saying(t, 503, "text/html", "<html>"+canary)), waits: true, want: `web identity of AWS_WEB_IDENTITY_TOKEN_FILE: .*status 503$`},
		"web identity, expired": {env: webIdentity(t, saying(t, 400, "text/xml", sts("ExpiredTokenException"))), want: `answered with ExpiredTokenException, status 400`},
		"role, broken STS":      {env: map[string]string{"AWS_ENDPOINT_URL_STS": saying(t, 500, "text/xml", sts("InternalFailure"))}, config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n" + base, waits: true, want: `STS's AssumeRole answered with InternalFailure, status 500`},
		"role, STS in time":     {env: map[string]string{"AWS_ENDPOINT_URL_STS": saying(t, 403, "text/xml", sts("SignatureDoesNotMatch"))}, config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n" + base, want: `SignatureDoesNotMatch, status 403`},
		"instance, broken":      {env: instance(saying(t, 500, "text/plain", canary)), waits: true, want: `the instance's metadata service: .*status 500$`},
		"instance, throttled":   {env: instance(saying(t, 429, "text/plain", canary)), waits: true, want: `the instance's metadata service: .*status 429$`},
		"instance, no role":     {env: instance(saying(t, 404, "text/plain", canary)), want: `^no usable AWS credentials: set AWS_PROFILE`},
		"instance, not there":   {env: instance("http://127.0.0.1:1"), want: `^no usable AWS credentials: set AWS_PROFILE`},
		"instance, named":       {env: instance("http://127.0.0.1:1"), config: "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n", waits: true, want: `the instance's metadata service: connection refused$`},
		"role refused":          {env: map[string]string{"AWS_ENDPOINT_URL_STS": saying(t, 403, "text/xml", sts("AccessDenied"))}, config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n" + base, want: `STS's AssumeRole answered with AccessDenied, status 403: not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/r$`},
		"role, no answer":       {env: map[string]string{"AWS_ENDPOINT_URL_STS": "http://u:" + canary + "@127.0.0.1:1"}, config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n" + base, waits: true, want: `connection refused$`},
		"SSO, no session":       {config: session, want: `the SSO session of the profile "default" has expired or does not exist; run: aws sso login --profile "default"$`},
		"SSO, incomplete":       {config: "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n", want: `sso`},
		"login":                 {config: "[default]\nlogin_session = arn:aws:iam::1:user/x\n", want: `the login session of the profile "default" has expired or does not exist; run: aws login --profile "default"$`},
		"source":                {config: "[default]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n", want: `credential_source`},
		"endpoint, newline":     {env: map[string]string{"AWS_ENDPOINT_URL_DEADLINE": "https://u:" + canary + "@host\n"}, want: `^AWS_ENDPOINT_URL_DEADLINE has a line break`},
		"endpoint, scheme":      {env: map[string]string{"AWS_ENDPOINT_URL_DEADLINE": "u:" + canary + "@host:8080"}, want: `^AWS_ENDPOINT_URL_DEADLINE has no scheme`},
		"endpoint, escape":      {env: map[string]string{"AWS_ENDPOINT_URL": "https://u:" + canary + "%zz@host"}, want: `^AWS_ENDPOINT_URL is not the URL`},
		"endpoint, port":        {env: map[string]string{"AWS_ENDPOINT_URL_DEADLINE": "https://u:" + canary + "#@host"}, want: `^AWS_ENDPOINT_URL_DEADLINE is not the URL`},
		"endpoint, profile":     {config: "[default]\nendpoint_url = ftp://u:" + canary + "@host\n", want: `^endpoint_url of the profile "default" is not the URL`},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{"AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1"}
			if c.config != "" {
				settings["AWS_CONFIG_FILE"] = written(t, c.config)
			}
			if c.credentials != "" {
				settings["AWS_SHARED_CREDENTIALS_FILE"] = written(t, c.credentials)
			}
			for name, value := range c.env {
				settings[name] = value
			}
			environment(t, settings)
			core, logged := observer.New(zap.WarnLevel)
			client, err := NewClient(t.Context(), zap.New(core))
			if c.waits {
				if err != nil || client == nil {
					t.Fatalf("it does not wait: %v", err)
				}
				_, err = client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
				hides(t, name, failedAttempt(err, 0), "^credentials unavailable: the AWS credentials cannot be fetched: .*"+c.want)
				for _, entry := range logged.FilterMessage("the credentials cannot be fetched yet; they are asked for again").All() {
					hides(t, name, entry.Context[0].Interface.(error), c.want)
					return
				}
				t.Errorf("the log does not say it: %v", logged.All())
				return
			}
			hides(t, name, err, c.want)
			if isCredential := strings.HasPrefix(fmt.Sprint(err), noCredentials); isCredential != errors.Is(err, ErrCredentials) {
				t.Errorf("ErrCredentials: %v", err)
			}
		})
	}
}

// An SSO session that cannot be refreshed and one that SSO refuses have different errors.
func TestSSOSession(t *testing.T) {
	legacy := "[default]\n[profile studio]\nsso_start_url = https://studio.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = r\n" +
		"[profile role]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = studio\n"
	for name, c := range map[string]struct{ cache, endpoint, profile, want string }{
		"expired":     {`{"accessToken":"` + canary + `","expiresAt":"2020-01-01T00:00:00Z"}`, "", "studio", `run: aws sso login --profile "studio"$`},
		"of a source": {`{"accessToken":"` + canary + `","expiresAt":"2020-01-01T00:00:00Z"}`, "", "role", `run: aws sso login --profile "studio"$`},
		"broken":      {canary, "", "studio", `run: aws sso login --profile "studio"$`},
		"refused":     {`{"accessToken":"` + canary + `","expiresAt":"2099-01-01T00:00:00Z"}`, "UnauthorizedException", "studio", `run: aws sso login --profile "studio"$`},
		"silent":      {`{"accessToken":"` + canary + `","expiresAt":"2099-01-01T00:00:00Z"}`, "silent", "studio", `the SSO session of the profile "studio": no answer in time$`},
		"broken SSO":  {`{"accessToken":"` + canary + `","expiresAt":"2099-01-01T00:00:00Z"}`, "TooManyRequestsException", "studio", `^the AWS credentials cannot be fetched: the SSO session of the profile "studio": SSO's GetRoleCredentials answered with TooManyRequestsException, status 400$`},
		"role":        {`{"accessToken":"` + canary + `","expiresAt":"2099-01-01T00:00:00Z"}`, "ForbiddenException", "studio", `SSO's GetRoleCredentials answered with ForbiddenException, status 400$`},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_MAX_ATTEMPTS": "1", "AWS_PROFILE": c.profile, "AWS_CONFIG_FILE": written(t, legacy)})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.endpoint == "silent" {
					<-r.Context().Done()
					return
				}
				w.Header().Set("X-Amzn-ErrorType", c.endpoint)
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, `{"message":"%s"}`, r.Header.Get("X-Amz-Sso_bearer_token"))
			}))
			defer server.Close()
			defer server.CloseClientConnections()
			t.Setenv("AWS_ENDPOINT_URL_SSO", server.URL)
			cacheSSO(t, "https://studio.awsapps.com/start", c.cache)
			limit := time.Minute
			if c.endpoint == "silent" {
				limit = 3 * time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			client, err := NewClient(ctx, zap.NewNop())
			if err == nil {
				_, err = client.Options().Credentials.Retrieve(ctx)
			}
			hides(t, name, err, c.want)
		})
	}
	environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_PROFILE": "studio", "AWS_CONFIG_FILE": written(t, strings.ReplaceAll(legacy, "= eu-west-1", "= eu-west-1b"))})
	cacheSSO(t, "https://studio.awsapps.com/start", `{"accessToken":"`+canary+`","expiresAt":"2099-01-01T00:00:00Z"}`)
	t.Setenv("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:1")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	_, err := NewClient(t.Context(), zap.NewNop())
	hides(t, "region", err, `sso_region of the profile "studio" is "eu-west-1b", which is not the name of a region; did you mean eu-west-1\?$`)
}

// Why there was no answer is described from the types of errors. The host is left out, because it may be a password by
// mistake.
func TestDescribeTransport(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer secure.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	defer slow.CloseClientConnections()
	// No server is asked for a name with an empty label, so that none can be slow.
	for endpoint, want := range map[string]string{
		"http://127.0.0.1:1": "^connection refused$", "http://" + canary + "..invalid": "^the host's name can't be resolved$", cut.URL: "^the connection was closed",
		strings.Replace(plain.URL, "http:", "https:", 1): "^the server does not speak TLS", secure.URL: "^the certificate was issued by an unknown authority", slow.URL: "^no answer in time$",
	} {
		environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": canary, "AWS_ENDPOINT_URL_DEADLINE": endpoint})
		client, err := NewClient(t.Context(), zap.NewNop())
		if err != nil {
			t.Error(err)
			continue
		}
		limit := time.Minute
		if endpoint == slow.URL {
			limit = 2 * time.Second
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err = client.ListFarms(ctx, &deadline.ListFarmsInput{})
		cancel()
		hides(t, endpoint, awserr.Describe(err), want)
		client.Options().HTTPClient.(*http.Client).CloseIdleConnections()
	}
}

// Only known forms of an answer of Deadline Cloud are repeated. So an operator learns the action that is denied and the
// field that is invalid, and a token that the answer quotes is not shown.
func TestAnswersAreNotRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		status     int
		code, body string
		want       string
	}{
		"denied":     {403, "AccessDeniedException", `{"message":"User: arn:aws:sts::1:assumed-role/r/%[1]s is not authorized to perform: deadline:ListFarms on resource: arn:aws:deadline:eu-west-1:1:farm/* with an explicit deny in a service control policy: %[1]s","context":{"%[1]s":"%[1]s"}}`, `AccessDeniedException, status 403: not authorized to perform: deadline:ListFarms on resource: arn:aws:deadline:eu-west-1:1:farm/\* with an explicit deny in a service control policy$`},
		"no policy":  {403, "AccessDeniedException", `{"message":"User: x is not authorized to perform: deadline:ListFarms because no identity-based policy allows the deadline:ListFarms action"}`, `deadline:ListFarms because no identity-based policy allows the deadline:ListFarms action$`},
		"signature":  {403, "InvalidSignatureException", `{"message":"x-amz-security-token:%[1]s"}`, `InvalidSignatureException, status 403$`},
		"validation": {400, "ValidationException", `{"message":"%[1]s","reason":"FIELD_VALIDATION_FAILED","fieldList":[{"name":"farmId","message":"%[1]s"},{"name":"%[1]s","message":"x"}]}`, `ValidationException, status 400: FIELD_VALIDATION_FAILED farmId$`},
		"not found":  {404, "ResourceNotFoundException", `{"message":"%[1]s","resourceId":"%[1]s","resourceType":"farm"}`, `ResourceNotFoundException, status 404: there is no such farm$`},
		"throttled":  {429, "ThrottlingException", `{"message":"%[1]s","quotaCode":"%[1]s"}`, `ThrottlingException, status 429$`},
		"server":     {500, "InternalServerErrorException", `{"message":"%[1]s"}`, `InternalServerErrorException, status 500$`},
		"unmodelled": {418, "%[1]s", `{"message":"%[1]s"}`, `status 418$`},
		"page":       {407, "", `<html>%[1]s</html>`, `status 407`},
		"garbage":    {200, "", `{"fleets": %[1]s}`, `the answer can't be read, status 200$`},
	} {
		t.Run(name, func(t *testing.T) {
			client := directClient(direct{handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Amzn-Requestid", canary)
				w.Header().Set("X-Amzn-ErrorType", strings.ReplaceAll(c.code, "%[1]s", canary))
				w.WriteHeader(c.status)
				fmt.Fprint(w, strings.ReplaceAll(c.body, "%[1]s", canary))
			})})
			_, err := client.ListFleets(t.Context(), &deadline.ListFleetsInput{FarmId: aws.String("farm-1")}, func(o *deadline.Options) { o.Retryer = aws.NopRetryer{} })
			if err == nil {
				t.Fatal("no error")
			}
			hides(t, name, failedAttempt(err, c.status), c.want)
		})
	}
}

func cacheSSO(t *testing.T, key, text string) {
	t.Helper()
	file, err := ssocreds.StandardCachedTokenFilepath(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
