package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/poller/farmtest"
	"farmwire/publisher/kafkatest"
)

// The secrets that the program is given, and that nobody may see.
const (
	saslUser    = "farmwire"
	saslSecret  = "canary-0-of-sasl-3f9c1b7e"
	wrongSecret = "canary-1-of-sasl-77aa20d4"
	awsSecret   = "canary-2-of-aws-5e8830cd"
	awsToken    = "canary-3-of-aws-session-b2c64f10"
)

// forms are the ways in which a secret may come to stand in a text.
func forms(secret string) []string {
	list := []string{secret, hex.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprint([]byte(secret)), "[]")}
	for shift := range 3 { // base64 of something that holds the secret: the characters that are of the secret alone
		encoded := base64.RawStdEncoding.EncodeToString([]byte("xx"[:shift%3] + secret))
		list = append(list, encoded[4:len(encoded)-4])
	}
	return list
}

// secretRun is one run of the program with secrets.
type secretRun struct {
	t        *testing.T
	farm     *farmtest.Server
	cmd      *exec.Cmd
	folder   string // of what was printed
	address  string
	pages    strings.Builder
	finished chan struct{}
}

// startWithSecrets runs `farmwire run` at a farm of its own. The password is in the environment, or in a file.
func startWithSecrets(t *testing.T, password string, inFile bool, args ...string) *secretRun {
	t.Helper()
	r := &secretRun{t: t, farm: secretFarm(t), folder: t.TempDir(), finished: make(chan struct{})}
	r.address = reserve(t)
	args = append([]string{"run", "--log-level", "debug", "--listen", r.address, "--create-topics", "--partitions", "1", "--replication-factor", "1",
		"--api-rate", "100", "--staleness", "500ms", "--discovery", "1s", "--session-timeout", "6s"}, args...)
	environment := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.folder, "AWS_ENDPOINT_URL_DEADLINE=" + r.farm.URL(), "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + awsSecret, "AWS_SESSION_TOKEN=" + awsToken, "AWS_EC2_METADATA_DISABLED=true"}
	if inFile {
		file := filepath.Join(r.folder, "password")
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--sasl-password-file", file)
	} else {
		environment = append(environment, "FARMWIRE_SASL_PASSWORD="+password)
	}
	r.launch(args, environment)
	return r
}

// launch starts the program.
func (r *secretRun) launch(args, environment []string) {
	t := r.t
	t.Helper()
	command, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	r.cmd = exec.Command(command, args...)
	r.cmd.Env = environment
	for name, stream := range map[string]*io.Writer{"stdout": &r.cmd.Stdout, "stderr": &r.cmd.Stderr} {
		file, err := os.Create(filepath.Join(r.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		*stream = file
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait() // the exit code says it
		close(r.finished)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.finished
	})
}

func secretFarm(t *testing.T) *farmtest.Server {
	t.Helper()
	farm := farmtest.New(farmtest.Config{})
	if err := farm.Start(""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { farm.Close() })
	site := farm.Cloud().AddFarm("studio")
	site.AddFleet("render").AddWorker().StartSessionAt(site.AddJob(site.NewQueue()), time.Now().Add(-time.Minute))
	return farm
}

// printed is all that came on stdout and stderr so far.
func (r *secretRun) printed() string {
	r.t.Helper()
	var all strings.Builder
	for _, name := range []string{"stdout", "stderr"} {
		text, err := os.ReadFile(filepath.Join(r.folder, name))
		if err != nil {
			r.t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// get fetches a page and keeps it; 0: nobody answers.
func (r *secretRun) get(page string) (status int) {
	client := &http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get("http://" + r.address + page)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0
	}
	fmt.Fprintf(&r.pages, "%s: %v\n%s\n", page, answer.Header, body)
	return answer.StatusCode
}

// getAll fetches every page that there is, or may be one day.
func (r *secretRun) getAll() {
	for _, page := range []string{"/", "/livez", "/readyz", "/metrics", "/api/status", "/debug/vars", "/debug/pprof/cmdline"} {
		r.get(page)
	}
}

// getUntilTheEnd fetches the pages for as long as the program runs.
func (r *secretRun) getUntilTheEnd() {
	for range 1000 {
		select {
		case <-r.finished:
			return
		case <-time.After(20 * time.Millisecond):
			r.getAll()
		}
	}
}

// await waits until it is reached, or the program has ended.
func (r *secretRun) await(what string, reached func() bool) {
	r.t.Helper()
	late := time.NewTimer(3 * time.Minute)
	defer late.Stop()
	for !reached() {
		select {
		case <-r.finished:
			r.t.Fatalf("ended before: %s\n%s", what, r.printed())
		case <-late.C:
			r.t.Fatalf("not within 3 minutes: %s\n%s", what, r.printed())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// finish stops the program, unless it ends by itself, wants its exit code, and looks for the secrets.
func (r *secretRun) finish(code int, stop bool, secrets ...string) {
	r.t.Helper()
	if stop {
		if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			r.t.Fatal(err)
		}
	}
	select {
	case <-r.finished:
	case <-time.After(time.Minute):
		r.t.Fatalf("does not end\n%s", r.printed())
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Errorf("exit code %d, want %d\n%s", got, code, r.printed())
	}
	for where, text := range map[string]string{"what was printed": r.printed(), "a page": r.pages.String()} {
		for _, secret := range secrets {
			for _, form := range forms(secret) {
				if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
					r.t.Errorf("%s shows %s as %s:\n%s", where, secret, form, text)
				}
			}
		}
	}
}

// everySecret are all of them: each must show nowhere, whichever was used.
func everySecret() []string { return []string{saslSecret, wrongSecret, awsSecret, awsToken} }

// site is a broker that demands SASL, and how to reach it.
type site struct {
	name       string
	mechanisms []string
	flags      []string
	refusal    string // of a wrong password
}

// saslSites are kfake, and Apache Kafka with TLS where it is asked for.
func saslSites(t *testing.T) []site {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(),
		kfake.Superuser("PLAIN", saslUser, saslSecret), kfake.Superuser("SCRAM-SHA-256", saslUser, saslSecret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	sites := []site{{"kfake", []string{"plain", "scram-sha-256"}, []string{"--brokers", strings.Join(fake.ListenAddrs(), ",")}, "EOF"}}
	if os.Getenv(kafkatest.Variable) != "apache" {
		return sites
	}
	cluster, err := kafkatest.StartApache(t.Context(), kafkatest.Options{Security: &kafkatest.Security{Users: map[string]string{saslUser: saslSecret}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Close() })
	grantAll(t, cluster)
	return append(sites, site{"apache", []string{"plain", "scram-sha-512"},
		[]string{"--brokers", strings.Join(cluster.Addrs(), ","), "--tls", "--tls-ca", filepath.Join(cluster.Dir(), "ca.pem")}, "check --sasl-username"})
}

func grantAll(t *testing.T, cluster *kafkatest.Cluster) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.InnerAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	anything := kadm.NewACLs().Allow("User:"+saslUser).AllowHosts().ResourcePatternType(kadm.ACLPatternPrefixed).
		Topics("deadline.").Groups("farmwire.").TransactionalIDs("farmwire.", "deadline.").Operations(kadm.OpAll)
	admin := kadm.NewClient(client)
	created, err := admin.CreateACLs(t.Context(), anything)
	for _, one := range created {
		err = errors.Join(err, one.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The controller has answered. The broker may learn of the rights later, and a program without them ends.
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		known := 0
		described, err := admin.DescribeACLs(t.Context(), anything)
		for _, one := range described {
			known += len(one.Described)
		}
		if err == nil && known >= len(created) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the broker knows %d of %d rights: %v", known, len(created), err)
		}
	}
}

// A program that runs, and one that is refused, by the brokers or by AWS, shows its secrets in nothing that it prints or
// serves.
func TestSecretsShowNowhere(t *testing.T) {
	for _, site := range saslSites(t) {
		for i, mechanism := range site.mechanisms {
			flags := append([]string{"--sasl-mechanism", mechanism, "--sasl-username", saslUser, "--topic-prefix", "deadline." + mechanism}, site.flags...)
			t.Run(site.name+"/"+mechanism, func(t *testing.T) {
				r := startWithSecrets(t, saslSecret, i == 0, flags...)
				r.await("it is ready", func() bool { return r.get("/readyz") == http.StatusOK })
				r.getAll()
				r.farm.SetFaults(farmtest.Fault{Kind: farmtest.Denied})
				r.await("AWS refuses it", func() bool { return strings.Contains(r.printed(), "not authorized") })
				r.getAll()
				r.finish(0, true, everySecret()...)
				if pages := r.pages.String(); !strings.Contains(pages, "farmwire_transactions_total") {
					t.Errorf("the pages are not those of a running program:\n%s", pages)
				}
			})
			t.Run(site.name+"/"+mechanism+" refused", func(t *testing.T) {
				r := startWithSecrets(t, wrongSecret, i == 1, flags...)
				if site.name == "kfake" { // It closes the connection instead of answering, and that may pass.
					r.await("it was refused", func() bool { return strings.Contains(r.printed(), site.refusal) })
					r.getAll()
					r.finish(0, true, everySecret()...)
					return
				}
				r.getUntilTheEnd()
				r.finish(exitFailed, false, everySecret()...)
				if said := r.printed(); !strings.Contains(said, site.refusal) {
					t.Errorf("it was not refused: %s", said)
				}
			})
		}
		if site.name == "apache" {
			t.Run("apache/aws-msk-iam refused", func(t *testing.T) {
				r := startWithSecrets(t, wrongSecret, false, append([]string{"--sasl-mechanism", "aws-msk-iam"}, site.flags...)...)
				r.finish(exitFailed, false, everySecret()...)
			})
		}
	}
	t.Run("nobody answers", func(t *testing.T) {
		silent, err := newSilence()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { silent.Close() })
		r := startWithSecrets(t, saslSecret, false, "--brokers", silent.Addr().String(), "--sasl-mechanism", "plain", "--sasl-username", saslUser)
		r.await("it waits for the broker", func() bool {
			return silent.taken.Load() > 0 && r.get("/readyz") == http.StatusServiceUnavailable
		})
		r.getAll()
		r.finish(0, true, everySecret()...)
	})
	t.Run("wrong usage", func(t *testing.T) {
		r := startWithSecrets(t, saslSecret, true, "--brokers", "127.0.0.1:1", "--sasl-mechanism", "plain")
		r.finish(exitUsage, false, everySecret()...)
	})
}
