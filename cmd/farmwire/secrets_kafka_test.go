package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	kafkaSecret = "canary-4-of-kafka-91d0b3aa"
	keySecret   = "canary-5-of-a-tls-key-c07f"
)

// pemOfSecret is a text in PEM that holds a secret.
func pemOfSecret(kind, headers string) string {
	return "-----BEGIN " + kind + "-----\n" + headers + base64.StdEncoding.EncodeToString([]byte("0123456789"+keySecret+"0123456789")) + "\n-----END " + kind + "-----\n"
}

// planting is one way to give a secret to the program.
type planting struct {
	name        string
	args        []string
	environment []string
	code        int
	want        string // in what is printed: the flag or the variable
}

// plant runs the program and looks for the secrets in all that it prints.
func (p planting) plant(t *testing.T, command ...string) {
	t.Helper()
	farmwire, err := exec.LookPath("farmwire")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), farmwire, append(command, p.args...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY=" + awsSecret, "AWS_EC2_METADATA_DISABLED=true", "FARMWIRE_LISTEN=off"}, p.environment...)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != p.code {
		t.Errorf("%s, %q: %v, want exit code %d\n%s", p.name, command, err, p.code, text)
	}
	said := string(text)
	if !strings.Contains(said, p.want) {
		t.Errorf("%s, %q: %q is missing in:\n%s", p.name, command, p.want, said)
	}
	if p.code == exitUsage && strings.Count(withoutStart(said), "\n") != 1 {
		t.Errorf("%s, %q: not one line:\n%s", p.name, command, said)
	}
	wantSecretsUntold(t, p.name, said)
}

func wantSecretsUntold(t *testing.T, where, said string) {
	t.Helper()
	for _, secret := range append(everySecret(), kafkaSecret, keySecret) {
		for _, form := range forms(secret) {
			if strings.Contains(strings.ToLower(said), strings.ToLower(form)) {
				t.Errorf("%s shows %s as %s:\n%s", where, secret, form, said)
			}
		}
	}
}

// plantings are the ways in which a configuration may hold a secret where it does not belong, or in a form that no
// password has.
func plantings(t *testing.T) []planting {
	t.Helper()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	utf16of := func(text string, high, low int) string {
		var out []byte
		for _, unit := range utf16.Encode([]rune(text)) {
			pair := [2]byte{}
			pair[high], pair[low] = byte(unit>>8), byte(unit)
			out = append(out, pair[:]...)
		}
		return string(out)
	}
	sasl := []string{"--sasl-username", saslUser, "--sasl-mechanism"}
	with := func(more ...string) []string { return append([]string{"--brokers", "127.0.0.1:1"}, more...) }
	var list []planting
	for name, text := range map[string]string{
		"a line break": kafkaSecret + "\n" + kafkaSecret, "a line break at the end": kafkaSecret + "\n", "a tab": kafkaSecret + "\t" + kafkaSecret,
		"latin-1": kafkaSecret + "\xe4", "an escape": "\x1b[2J" + kafkaSecret, "a byte order mark": "\ufeff" + kafkaSecret,
	} {
		for _, mechanism := range []string{"plain", "scram-sha-256", "scram-sha-512"} {
			list = append(list, planting{"environment with " + name, with(append(sasl, mechanism)...), []string{"FARMWIRE_SASL_PASSWORD=" + text}, exitUsage, "FARMWIRE_SASL_PASSWORD"})
		}
	}
	for name, text := range map[string]string{
		"two lines": kafkaSecret + "\n" + kafkaSecret + "\n", "two lines of Windows": "user\r\n" + kafkaSecret + "\r\n", "a tab": "\t" + kafkaSecret, "NUL": kafkaSecret + "\x00",
		"UTF-16LE": "\xff\xfe" + utf16of(kafkaSecret+"\r\n", 1, 0), "UTF-16BE": "\xfe\xff" + utf16of(kafkaSecret, 0, 1), "UTF-16 without a mark": utf16of(kafkaSecret, 1, 0),
		"a byte order mark": "\ufeff" + kafkaSecret + "\r\n", "latin-1": "\xe4" + kafkaSecret, "a key": pemOfSecret("PRIVATE KEY", ""),
	} {
		path := file("password "+name, text)
		for _, mechanism := range []string{"plain", "scram-sha-256"} {
			list = append(list, planting{"file with " + name, with(append(sasl, mechanism, "--sasl-password-file", path)...), nil, exitUsage, "--sasl-password-file"})
		}
	}
	certificate := file("c.pem", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
	key, encrypted := file("k.pem", pemOfSecret("PRIVATE KEY", "")), file("e.pem", pemOfSecret("ENCRYPTED PRIVATE KEY", ""))
	body := strings.Split(pemOfSecret("PRIVATE KEY", ""), "\n")[1]
	for flag, value := range map[string]string{"--sasl-password-file": kafkaSecret, "--tls-key": pemOfSecret("PRIVATE KEY", ""),
		"--tls-cert": pemOfSecret("CERTIFICATE", "") + pemOfSecret("PRIVATE KEY", ""), "--tls-ca": pemOfSecret("PRIVATE KEY", ""), "--tls-server-name": pemOfSecret("PRIVATE KEY", ""), "--tls": pemOfSecret("PRIVATE KEY", ""),
		"--sasl-mechanism": kafkaSecret, "--brokers": "kafka://" + saslUser + ":" + kafkaSecret + "@127.0.0.1:1", "--sasl-username": kafkaSecret + "\n" + pemOfSecret("PRIVATE KEY", "")} {
		// What else the flag needs, so that it is looked at.
		more := map[string][]string{"--tls-key": {"--tls", "--tls-cert", certificate}, "--tls-cert": {"--tls", "--tls-key", key}, "--tls-ca": {"--tls"}, "--tls-server-name": {"--tls"},
			"--sasl-password-file": append(sasl, "plain"), "--sasl-username": {"--sasl-mechanism", "plain"}}[flag]
		if flag != "--brokers" {
			more = with(more...)
		}
		password := []string{}
		if flag == "--sasl-username" {
			password = []string{"FARMWIRE_SASL_PASSWORD=" + kafkaSecret}
		}
		variable := "FARMWIRE_" + strings.ReplaceAll(strings.ToUpper(strings.TrimLeft(flag, "-")), "-", "_")
		indented := strings.ReplaceAll(strings.TrimSuffix(value, "\n"), "\n", "\n  ")
		config := file("config"+flag+".yaml", strings.TrimLeft(flag, "-")+": |-\n  "+indented+"\n")
		list = append(list,
			planting{flag + " in its variable", more, append(password, variable+"="+value), exitUsage, flag},
			planting{flag + "=", append(more, flag+"="+value), password, exitUsage, flag},
			planting{flag + " in YAML", append(more, "--config", config), password, exitUsage, flag})
		if flag != "--tls" && flag != "--brokers" {
			list = append(list, planting{flag, append(more, flag, value), password, exitUsage, flag})
		}
	}
	tls := with("--tls", "--tls-cert", certificate, "--tls-key")
	return append(list,
		planting{"a key without its frame", append(tls, body), nil, exitUsage, "--tls-key"},
		planting{"a password for a key", append(tls, kafkaSecret), nil, exitUsage, "--tls-key"},
		planting{"a damaged key", append(tls, key), nil, exitUsage, "--tls-key"},
		planting{"an encrypted key", append(tls, encrypted), nil, exitUsage, "openssl"},
		planting{"a password in a key's file", append(tls, file("p.pem", kafkaSecret)), nil, exitUsage, "--tls-key"},
		planting{"a key for a certificate", with("--tls", "--tls-cert", key, "--tls-key", key), nil, exitUsage, "--tls-cert"},
		planting{"a key for an authority", with("--tls", "--tls-ca", key), nil, exitUsage, "--tls-ca"},
		planting{"a folder for a password", with(append(sasl, "plain", "--sasl-password-file", folder)...), nil, exitUsage, "--sasl-password-file"},
		planting{"a password that is the host", []string{"--brokers", kafkaSecret}, nil, exitUsage, "--brokers"},
		planting{"a broker with a password", []string{"--brokers", saslUser + ":" + kafkaSecret + "@127.0.0.1:1"}, nil, exitUsage, "--brokers"},
	)
}

// Whatever Kafka setting a secret is put into, in whatever form, it is not told.
func TestKafkaSecretsInTheWrongPlace(t *testing.T) {
	for _, p := range plantings(t) {
		p.plant(t, "topics", "check")
		p.plant(t, "run")
		p.plant(t, "tail")
	}
	for _, p := range plantings(t)[:3] {
		p.plant(t, "topics", "create")
	}
}

// echoes is the address of a broker that repeats in its errors what it was told in the login, as text and in base64.
func echoes(t *testing.T, atLogin bool, code int16) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", saslUser, kafkaSecret))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	message := "no entry for " + kafkaSecret + "\r\n\x1b[1m(" + base64.StdEncoding.EncodeToString([]byte("\x00"+saslUser+"\x00"+kafkaSecret)) + ")"
	const createTopics, authenticate = 19, 36
	if atLogin {
		cluster.ControlKey(authenticate, func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			answer.ErrorCode, answer.ErrorMessage = code, &message
			return answer, nil, true
		})
	}
	cluster.ControlKey(createTopics, func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.CreateTopicsResponse)
		for _, topic := range r.(*kmsg.CreateTopicsRequest).Topics {
			answer.Topics = append(answer.Topics, kmsg.CreateTopicsResponseTopic{Topic: topic.Topic, ErrorCode: code, ErrorMessage: &message})
		}
		return answer, nil, true
	})
	return strings.Join(cluster.ListenAddrs(), ",")
}

// A broker that repeats the password does not make the program tell it.
func TestEchoedSecretsShowNowhere(t *testing.T) {
	for _, atLogin := range []bool{true, false} {
		for _, code := range []int16{58, 44, 38, 42, -1, 1234} {
			t.Run(fmt.Sprintf("at login %t, %d", atLogin, code), func(t *testing.T) {
				t.Parallel()
				flags := []string{"--brokers", echoes(t, atLogin, code), "--sasl-mechanism", "plain", "--sasl-username", saslUser}
				p := planting{"echo", flags, []string{"FARMWIRE_SASL_PASSWORD=" + kafkaSecret}, exitFailed, "farmwire: "}
				p.plant(t, "topics", "create")
				if !atLogin {
					return // the other commands only log in
				}
				p.plant(t, "topics", "check")
				switch code {
				case 44: // which is final when it lasts
					r := startWithSecrets(t, kafkaSecret, false, flags...)
					r.getUntilTheEnd()
					r.finish(exitFailed, false, append(everySecret(), kafkaSecret)...)
				case -1: // which may pass
					r := startWithSecrets(t, kafkaSecret, false, flags...)
					r.await("it says what it waits for", func() bool { return strings.Contains(r.printed(), "Kafka cannot be used yet") })
					r.getAll()
					r.finish(0, true, append(everySecret(), kafkaSecret)...)
				}
			})
		}
	}
}

// The pages of a program that waits for the broker do not hold what it was given.
func TestKafkaSecretsAreOnNoPage(t *testing.T) {
	silent, err := newSilence()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for i, password := range []string{"geheim²-" + kafkaSecret, kafkaSecret + " \u00a0" + kafkaSecret} {
		r := startWithSecrets(t, password, i == 0, "--brokers", silent.Addr().String(), "--sasl-mechanism", "scram-sha-512", "--sasl-username", saslUser)
		before := silent.taken.Load()
		r.await("it waits for the broker", func() bool {
			return silent.taken.Load() > before && r.get("/readyz") == http.StatusServiceUnavailable
		})
		r.getAll()
		r.finish(0, true, append(everySecret(), kafkaSecret)...)
	}
}
