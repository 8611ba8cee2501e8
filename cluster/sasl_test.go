package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kfake"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"

	"farmwire/publisher/kafkatest"
)

// oddPasswords are changed, or refused, by SASLprep; brokers take their bytes.
func oddPasswords() map[string]string {
	return map[string]string{
		"squared": "geheim²", "micro": "10µs", "blank": "no\u00a0break", "ligature": "ﬁsh & chips", "wide": "Ｐａｓｓ",
		"decomposed": "re\u0301sume\u0301", "soft": "soft\u00adhyphen", "arabic": "1\u0627", "signs": "a=b%22+/ü",
	}
}

// Both clients send a password as the bytes that it is.
func TestPasswordsAreTakenAsTheyAre(t *testing.T) {
	run := func(name string, c Config, mechanisms ...Mechanism) {
		t.Run(name, func(t *testing.T) {
			for _, m := range mechanisms {
				for user, password := range oddPasswords() {
					c.SASL = SASL{Mechanism: m, Username: user, Password: Secret(password)}
					for client, err := range reach(t, c) {
						if err != nil {
							t.Errorf("%s, %s as %s: %v", client, m, user, err)
						}
					}
				}
			}
		})
	}
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.EnableSASL()}
	for user, password := range oddPasswords() {
		opts = append(opts, kfake.Superuser("PLAIN", user, password), kfake.Superuser("SCRAM-SHA-256", user, password), kfake.Superuser("SCRAM-SHA-512", user, password))
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	run("kfake", Config{Brokers: fake.ListenAddrs()}, MechanismPlain, MechanismScramSHA256, MechanismScramSHA512)
	if os.Getenv(kafkatest.Variable) != "apache" {
		return
	}
	// Apache Kafka's own tool makes the users.
	cluster := apacheCluster(t, kafkatest.Options{Security: &kafkatest.Security{Users: oddPasswords()}})
	run("apache", Config{Brokers: cluster.Addrs(), TLS: TLS{Enabled: true, CAFile: filepath.Join(cluster.Dir(), "ca.pem")}},
		MechanismPlain, MechanismScramSHA256, MechanismScramSHA512)
}

// What a broker that wants to make trouble says in a login is not told.
func TestLoginQuotesNobody(t *testing.T) {
	const canary = "canary-of-the-login"
	for _, m := range []Mechanism{MechanismScramSHA256, MechanismScramSHA512} {
		login := SASL{Mechanism: m, Username: "user", Password: canary}
		publishing, err := login.kafkaMechanism()
		if err != nil {
			t.Fatal(err)
		}
		reading, err := login.franzMechanism()
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range []string{canary, "r=" + canary, "r=x,s=" + canary + ",i=4096", "e=" + canary, ""} {
			for client, err := range map[string]error{"kafka-go": talkKafka(t, publishing, said), "franz-go": talkFranz(t, reading, said)} {
				if err == nil || strings.Contains(err.Error(), canary) || err.Error() != wrongAnswer(nil).Error() {
					t.Errorf("%s, after %q: %v", client, said, err)
				}
			}
		}
	}
}

func talkKafka(t *testing.T, m sasl.Mechanism, said string) error {
	session, _, err := m.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = session.Next(t.Context(), []byte(said))
	return err
}

func talkFranz(t *testing.T, m kgosasl.Mechanism, said string) error {
	session, _, err := m.Authenticate(t.Context(), "broker:9092")
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = session.Challenge([]byte(said))
	return err
}

// Credentials that AWS does not give are named, and what was said of them is not.
func TestMSKIAMQuotesNoCredentials(t *testing.T) {
	const canary = "canary-of-a-credential-process"
	folder := t.TempDir()
	config := filepath.Join(folder, "config")
	if err := os.WriteFile(config, []byte("[default]\ncredential_process = echo "+canary+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(folder, "none"), "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "default", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	login := SASL{Mechanism: MechanismMSKIAM}
	publishing, err := login.kafkaMechanism()
	if err != nil {
		t.Fatal(err)
	}
	reading, err := login.franzMechanism()
	if err != nil {
		t.Fatal(err)
	}
	_, _, first := publishing.Start(sasl.WithMetadata(t.Context(), &sasl.Metadata{Host: "b-1.kafka.eu-west-1.amazonaws.com", Port: 9098}))
	_, _, second := reading.Authenticate(t.Context(), "b-1.kafka.eu-west-1.amazonaws.com:9098")
	for _, err := range []error{first, second} {
		if text := fmt.Sprint(err); err == nil || strings.Contains(text, canary) || !strings.Contains(text, "AWS credentials") {
			t.Errorf("%v", err)
		}
		if errors.Unwrap(err) == nil || kindOf(err) != LoginNotBegun {
			t.Errorf("%v hides its cause from the program", err)
		}
	}
}
