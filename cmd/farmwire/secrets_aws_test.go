package main

import (
	"crypto/sha1"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"farmwire/publisher/kafkatest"
)

// awsCanary is the secret in all the places where AWS's settings and the chain of credentials may hold one.
const awsCanary = "canary-4-of-aws-chain-91d7f0aa"

// echo answers with what a careless service, proxy or gateway might repeat of a request.
func echo(status int, code, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amzn-ErrorType", code)
		w.Header().Set("X-Amzn-Requestid", r.Header.Get("X-Amz-Security-Token"))
		w.WriteHeader(status)
		fmt.Fprintf(w, body, awsCanary+strings.Trim(strconv.Quote(fmt.Sprint(r.Header)), `"`))
	}
}

// lapsing gives credentials that are renewed 10 s before they expire, and fails then. Until then the program has 20 s to get its
// first answer from the farm, without which a dry run fails. A busy machine needs some of them.
func lapsing(fail http.HandlerFunc) http.HandlerFunc {
	var asked atomic.Bool
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Swap(true) {
			fail(w, r)
			return
		}
		fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":%q,"Token":%q,"Expiration":%q}`, awsSecret, awsToken, time.Now().Add(30*time.Second).UTC().Format(time.RFC3339))
	}
}

// awsSecrets is one way of holding the canary.
type awsSecrets struct {
	env    map[string]string // ADDRESS stands for that of what serves
	files  map[string]string
	serves http.HandlerFunc
	says   string // what an operator is told
	starts bool   // the failure comes only when it runs
}

func awsWays() map[string]awsSecrets {
	const profile = "[default]\nregion = eu-west-1\n"
	keys := func(more ...string) map[string]string {
		env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": awsSecret, "AWS_SESSION_TOKEN": awsToken, "AWS_ENDPOINT_URL_DEADLINE": "http://ADDRESS"}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		return env
	}
	process := func(script string) map[string]string {
		return map[string]string{"config": profile + "credential_process = sh DIR/process\n", "process": script}
	}
	once := "if [ -e DIR/ran ]; then echo " + awsCanary + "; echo " + awsCanary + " >&2; exit 9; fi\ntouch DIR/ran\n" +
		"echo '{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"" + awsSecret + "\",\"SessionToken\":\"" + awsToken + "\",\"Expiration\":\"'$(date -u -d '+30 seconds' +%Y-%m-%dT%H:%M:%SZ)'\"}'\n"
	container := map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://ADDRESS/", "AWS_CONTAINER_AUTHORIZATION_TOKEN": awsCanary}
	sts := echo(403, "", `<ErrorResponse><Error><Code>AccessDenied</Code><Message>%[1]s is not authorized to perform: sts:AssumeRole</Message></Error><RequestId>`+awsCanary+`</RequestId></ErrorResponse>`)
	return map[string]awsSecrets{
		"denied":             {env: keys(), serves: echo(403, "AccessDeniedException", `{"message":"User: %[1]s is not authorized to perform: deadline:ListFarms; %[1]s"}`), says: "not authorized to perform: deadline:ListFarms", starts: true},
		"signature":          {env: keys(), serves: echo(403, "SignatureDoesNotMatch", `{"message":"string-to-sign %[1]s"}`), says: "SignatureDoesNotMatch", starts: true},
		"invalid":            {env: keys(), serves: echo(400, "ValidationException", `{"message":"%[1]s","reason":"OTHER"}`), says: "ValidationException", starts: true},
		"code":               {env: keys(), serves: echo(403, awsCanary, `{"message":"%[1]s"}`), says: "status 403", starts: true},
		"server error":       {env: keys("AWS_MAX_ATTEMPTS", "1"), serves: echo(502, "", `<html>%[1]s</html>`), says: "status 502", starts: true},
		"garbage":            {env: keys("AWS_MAX_ATTEMPTS", "1"), serves: echo(200, "", `{"farms":%[1]s,"sessions":%[1]s}`), says: "malformed|broken page", starts: true},
		"endpoint":           {env: keys("AWS_ENDPOINT_URL_DEADLINE", "http://user:"+awsCanary+"@127.0.0.1:1", "AWS_MAX_ATTEMPTS", "1"), says: "connection refused", starts: true},
		"broken endpoint":    {env: keys("AWS_ENDPOINT_URL_DEADLINE", "http://user:"+awsCanary+"%zz@127.0.0.1:1"), says: "AWS_ENDPOINT_URL_DEADLINE is not the URL"},
		"split endpoint":     {env: keys("AWS_ENDPOINT_URL_DEADLINE", "http://user:"+awsCanary+"@127.0.0.1:1\n"), says: "AWS_ENDPOINT_URL_DEADLINE has a line break"},
		"no proxy":           {env: keys("AWS_ENDPOINT_URL_DEADLINE", "https://deadline.test", "HTTPS_PROXY", "http://user:"+awsCanary+"@127.0.0.1:1", "AWS_MAX_ATTEMPTS", "1"), says: "the proxy of HTTPS_PROXY or HTTP_PROXY: connection refused", starts: true},
		"refusing proxy":     {env: keys("AWS_ENDPOINT_URL_DEADLINE", "http://deadline.test", "HTTP_PROXY", "http://user:"+awsCanary+"@ADDRESS", "AWS_MAX_ATTEMPTS", "1"), serves: echo(407, "", "%[1]s"), says: "status 407", starts: true},
		"refusing tunnel":    {env: keys("AWS_ENDPOINT_URL_DEADLINE", "https://deadline.test", "HTTPS_PROXY", "http://user:"+awsCanary+"@ADDRESS", "AWS_MAX_ATTEMPTS", "1"), serves: echo(407, "", "%[1]s"), says: "connection", starts: true},
		"broken proxy":       {env: keys("AWS_ENDPOINT_URL_DEADLINE", "https://deadline.test", "HTTPS_PROXY", "http://user:"+awsCanary+"%zz@127.0.0.1:1"), says: "HTTPS_PROXY is not the URL of a proxy"},
		"split token":        {env: keys("AWS_SESSION_TOKEN", awsCanary+"\n"), says: "AWS_SESSION_TOKEN"},
		"credentials file":   {files: map[string]string{"credentials": "[default]\naws_access_key_id = AKID\naws_secret_access_key " + awsCanary + "\n"}, says: "line 3 of"},
		"split file":         {files: map[string]string{"credentials": "[default]\naws_access_key_id = AKID\naws_secret_access_key = x\naws_session_token = " + awsCanary + "\n  " + awsCanary + "\n"}, says: `aws_session_token of the profile "default" has a line break`},
		"process":            {files: process("echo " + awsCanary + "; echo " + awsCanary + " >&2; exit 3\n"), says: "credential_process of the profile \"default\" ended with exit code 3"},
		"process prints":     {files: process("echo " + awsCanary + "; echo " + awsCanary + " >&2\n"), says: "did not print a JSON object"},
		"process, later":     {files: process(once), says: "ended with exit code 9", starts: true},
		"container":          {env: container, serves: echo(400, "", "%[1]s"), says: "the container's endpoint"},
		"container, later":   {env: container, serves: lapsing(echo(403, "", "%[1]s")), says: "the container's endpoint", starts: true},
		"container, broken":  {env: container, serves: echo(500, "", "%[1]s"), says: "the AWS credentials cannot be fetched: the container's endpoint", starts: true},
		"container, garbage": {env: container, serves: echo(200, "", "%[1]s"), says: "can't be read"},
		"container file":     {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://ADDRESS/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "DIR/token"}, files: map[string]string{"token": awsCanary + "\n"}, says: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names has a line break"},
		"container no file":  {env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://ADDRESS/", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": awsCanary}, says: "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
		"web identity":       {env: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/token", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_ENDPOINT_URL_STS": "http://ADDRESS"}, files: map[string]string{"token": awsCanary}, serves: sts, says: "AssumeRoleWithWebIdentity answered with AccessDenied"},
		"role":               {env: map[string]string{"AWS_ENDPOINT_URL_STS": "http://ADDRESS"}, files: map[string]string{"config": profile + "role_arn = arn:aws:iam::1:role/r\nsource_profile = base\n[profile base]\naws_access_key_id = AKID\naws_secret_access_key = " + awsCanary + "\n"}, serves: sts, says: "not authorized to perform: sts:AssumeRole"},
		"SSO": {files: map[string]string{
			"config": profile + "sso_start_url = https://studio.awsapps.com/start\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n",
			fmt.Sprintf(".aws/sso/cache/%x.json", sha1.Sum([]byte("https://studio.awsapps.com/start"))): `{"accessToken":"` + awsCanary + `","expiresAt":"2020-01-01T00:00:00Z"}`,
		}, says: "run: aws sso login --profile \"default\""},
	}
}

// In whichever way AWS's settings, the chain of credentials, and who answers there hold a secret, no command shows it: not
// on its streams and not on its pages. The operator is told what is wrong all the same.
func TestSecretsOfAWSShowNowhere(t *testing.T) {
	broker, err := kafkatest.StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	commands := map[string][]string{
		"run":      {"run", "--log-level", "debug", "--staleness", "1s", "--discovery", "1s", "--create-topics", "--partitions", "1", "--replication-factor", "1", "--session-timeout", "6s", "--brokers", strings.Join(broker.Addrs(), ",")},
		"dry run":  {"run", "--log-level", "debug", "--dry-run", "--staleness", "1s", "--discovery", "1s"},
		"sessions": {"sessions", "--farm", "farm-1", "--fleet", "fleet-1", "--worker", "worker-1"},
	}
	for name, way := range awsWays() {
		for command, args := range commands {
			if command == "sessions" && strings.HasSuffix(name, "later") {
				continue // it is over before
			}
			t.Run(name+"/"+command, func(t *testing.T) {
				t.Parallel()
				r := startWithWay(t, awsWays()[name], args)
				told := func() bool {
					for says := range strings.SplitSeq(way.says, "|") {
						if strings.Contains(r.printed(), says) {
							return true
						}
					}
					return false
				}
				if way.starts && command != "sessions" {
					r.await("it is told: "+way.says, told)
					r.await("it serves pages", func() bool { return r.get("/livez") == http.StatusOK }) // what is told may come before
					r.getAll()
					code := 0
					if command == "dry run" && !strings.HasSuffix(name, "later") {
						code = exitFailed // no request was answered
					}
					r.finish(code, true, awsCanary, awsSecret, awsToken)
					return
				}
				code := exitUsage
				if way.starts {
					code = exitFailed
				}
				r.finish(code, false, awsCanary, awsSecret, awsToken)
				if !told() && command != "sessions" {
					t.Errorf("it does not say %q:\n%s", way.says, r.printed())
				}
				if strings.Count(r.printed(), "\n") != 1 || !strings.HasPrefix(r.printed(), "farmwire: ") {
					t.Errorf("it prints not one line:\n%s", r.printed())
				}
			})
		}
	}
}

// startWithWay starts the program with the settings and files, and with what serves at their address.
func startWithWay(t *testing.T, way awsSecrets, args []string) *secretRun {
	t.Helper()
	r := &secretRun{t: t, folder: t.TempDir(), finished: make(chan struct{})}
	env := map[string]string{"PATH": os.Getenv("PATH"), "HOME": r.folder, "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "DIR/config", "AWS_SHARED_CREDENTIALS_FILE": "DIR/credentials"}
	if way.env["AWS_ENDPOINT_URL_DEADLINE"] == "" {
		env["AWS_ENDPOINT_URL_DEADLINE"] = secretFarm(t).URL()
	}
	maps.Copy(env, way.env)
	address := "127.0.0.1:1"
	if way.serves != nil {
		server := httptest.NewServer(way.serves)
		t.Cleanup(server.Close)
		address = server.Listener.Addr().String()
	}
	fill := strings.NewReplacer("ADDRESS", address, "DIR", r.folder)
	for name, text := range way.files {
		file := filepath.Join(r.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(fill.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if args[0] == "run" {
		r.address = reserve(t)
		args = append(args, "--listen", r.address, "--topic-prefix", "deadline."+strings.Trim(strings.Map(letter, t.Name()), "-"))
	}
	var environment []string
	for name, value := range env {
		environment = append(environment, name+"="+fill.Replace(value))
	}
	r.launch(args, environment)
	return r
}

func letter(r rune) rune {
	if strings.ContainsRune(topicCharacters, r) {
		return r
	}
	return '-'
}

// A container's endpoint for credentials that has a fault at the start is waited for: run says what it waits for, and goes on
// when the fault is over. What it repeats of a request shows nowhere.
func TestCredentialsThatComeLater(t *testing.T) {
	t.Parallel()
	var works atomic.Bool
	broken := echo(500, "", "%[1]s")
	r := startWithWay(t, awsSecrets{
		env: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://ADDRESS/", "AWS_CONTAINER_AUTHORIZATION_TOKEN": awsCanary},
		serves: func(w http.ResponseWriter, r *http.Request) {
			if !works.Load() {
				broken(w, r)
				return
			}
			fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":%q,"Token":%q,"Expiration":%q}`, awsSecret, awsToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		},
	}, []string{"run", "--log-level", "debug", "--dry-run", "--staleness", "1s", "--discovery", "1s"})
	r.await("the log says what it waits for", func() bool {
		return strings.Contains(r.printed(), "the credentials cannot be fetched yet; they are asked for again")
	})
	r.await("it is unready for this reason", func() bool {
		return r.get("/readyz") == http.StatusServiceUnavailable && strings.Contains(r.pages.String(), "the credentials cannot be fetched")
	})
	works.Store(true)
	r.await("it sees the session", func() bool { return strings.Contains(r.printed(), `"change":"discovered"`) })
	r.await("it is ready", func() bool { return r.get("/readyz") == http.StatusOK })
	r.getAll()
	r.finish(0, true, awsCanary, awsSecret, awsToken)
}
