package cluster

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/publisher/kafkatest"
)

// Each way of being refused gives one line of a kind of its own, from both clients.
func TestRefusals(t *testing.T) {
	c := apacheCluster(t, kafkatest.Options{Security: &kafkatest.Security{
		Mechanisms: []string{"PLAIN", "SCRAM-SHA-512"}, Users: map[string]string{"farmwire": "canary-password-of-farmwire"},
	}})
	resolve(t) // no name has an address
	for _, refusal := range []struct {
		name string
		make func(*Config)
		want Kind
	}{
		{"wrong password", func(c *Config) { c.SASL.Password = "canary-wrong" }, AuthenticationFailed},
		{"wrong password, plain", func(c *Config) { c.SASL.Password = "canary-wrong"; c.SASL.Mechanism = MechanismPlain }, AuthenticationFailed},
		{"unknown user", func(c *Config) { c.SASL.Username = "stranger" }, AuthenticationFailed},
		{"mechanism not enabled", func(c *Config) { c.SASL.Mechanism = MechanismScramSHA256 }, MechanismNotOffered},
		{"unknown authority", func(at *Config) { at.TLS.CAFile = filepath.Join(c.Dir(), "other-ca.pem") }, AuthorityUnknown},
		{"wrong name", func(c *Config) { c.TLS.ServerName = "kafka.example.com" }, ServerNameMismatch},
		{"no SASL on a SASL port", func(c *Config) {
			c.SASL = SASL{}
		}, SASLRequired},
		{"plaintext to a TLS port", func(c *Config) { c.TLS = TLS{} }, TLSRequired},
		{"TLS to a plaintext port", func(at *Config) { at.Brokers = c.InnerAddrs() }, TLSNotSpoken},
		{"SASL on a port without", func(at *Config) {
			at.Brokers, at.TLS = c.InnerAddrs(), TLS{}
		}, SASLNotSpoken},
		{"nobody listens", func(c *Config) { c.Brokers = []string{"127.0.0.1:1"} }, ConnectionRefused},
		{"unknown host", func(c *Config) { c.Brokers = []string{"kafka.invalid:9092"} }, HostUnknown},
	} {
		config := Config{
			Brokers: c.Addrs(),
			TLS:     TLS{Enabled: true, CAFile: filepath.Join(c.Dir(), "ca.pem")},
			SASL:    SASL{Mechanism: MechanismScramSHA512, Username: "farmwire", Password: "canary-password-of-farmwire"},
		}
		refusal.make(&config)
		for client, err := range reach(t, config) {
			want := refusal.want
			if want == TLSNotSpoken && client == "kafka-go" {
				want = ClosedWithTLS // it does not say that the handshake was under way
			}
			if err = config.Explain(err); kindOf(err) != want {
				t.Errorf("%s, %s: %v, want %q", refusal.name, client, err, want)
				continue
			}
			t.Logf("%s, %s: %v", refusal.name, client, err)
			if text := err.Error(); strings.ContainsAny(text, "\r\n") || strings.Contains(text, "canary") {
				t.Errorf("%s, %s: not one line, or a secret: %s", refusal.name, client, text)
			}
		}
	}
}

func TestSecretsShowNowhere(t *testing.T) {
	const canary = "canary-0123456789"
	c := Config{Brokers: []string{"127.0.0.1:1"}, SASL: SASL{Mechanism: MechanismPlain, Username: "user", Password: canary}}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&shown, verb+"\n", c)
		fmt.Fprintf(&shown, verb+"\n", &c)
		fmt.Fprintf(&shown, verb+"\n", c.SASL.Password)
	}
	core, logs := observer.New(zap.DebugLevel)
	zap.New(core).Info("config", zap.Any("config", c), zap.Stringer("password", c.SASL.Password), zap.Reflect("login", c.SASL))
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range logs.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(line.Bytes())
	}
	wrong := c
	wrong.SASL.Username = ""
	fmt.Fprintln(&shown, wrong.Validate())
	hex := fmt.Sprintf("%x", canary)
	if text := strings.ToLower(shown.String()); strings.Contains(text, canary) || strings.Contains(text, hex) {
		t.Errorf("the secret shows:\n%s", text)
	}
	if !strings.Contains(shown.String(), redacted) {
		t.Error("nothing was shown")
	}
}

func TestBootstrapBrokers(t *testing.T) {
	for _, good := range []string{"kafka:9092", "kafka-1.example.com:1", "10.0.0.1:9092", "[::1]:65535"} {
		if err := ValidateBrokers([]string{good}); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "kafka", "kafka:", "kafka:x", "kafka:0", "kafka:65536", ":9092", "::1:9092", "[kafka]:9092", "'kafka:9092'", "ka fka:9092",
		"kafka:9092\n", "kafka://user:canary@kafka:9092", "user:canary@kafka:9092", "canary@kafka:9092"} {
		err := ValidateBrokers([]string{"kafka:9092", bad})
		if !errors.Is(err, ErrConfiguration) || kindOf(err) != BrokersInvalid || !strings.Contains(err.Error(), "number 2 of the bootstrap brokers") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSettingsThatDoNotFitTogether(t *testing.T) {
	for _, tc := range []struct {
		config Config
		want   Kind
	}{
		{Config{}, BrokersInvalid},
		{Config{Brokers: []string{"kafka"}}, BrokersInvalid},
		{Config{TLS: TLS{CAFile: "ca.pem"}}, TLSDisabled},
		{Config{TLS: TLS{Enabled: true, CertFile: "c.pem"}}, ClientCertificateIncomplete},
		{Config{TLS: TLS{Enabled: true, ServerName: "two names"}}, ServerNameInvalid},
		{Config{SASL: SASL{Username: "u"}}, MechanismMissing},
		{Config{SASL: SASL{Mechanism: MechanismPlain, Username: "u"}}, CredentialsMissing},
		{Config{SASL: SASL{Mechanism: MechanismPlain, Username: "u\n", Password: "p"}}, UsernameInvalid},
		{Config{SASL: SASL{Mechanism: MechanismMSKIAM}}, TLSRequired},
		{Config{SASL: SASL{Mechanism: "gssapi"}}, MechanismUnknown},
	} {
		_, ofKafkaGo := tc.config.Transport()
		_, ofFranzGo := tc.config.ClientOptions()
		for _, err := range []error{ofKafkaGo, ofFranzGo} {
			if !errors.Is(err, ErrConfiguration) || kindOf(err) != tc.want {
				t.Errorf("%v, want %q", err, tc.want)
			}
		}
	}
}

// MSK's mechanism is made from the AWS SDK's own settings, for both clients.
func TestMSKIAM(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-of-aws")
	login := SASL{Mechanism: MechanismMSKIAM}
	publishing, err := login.kafkaMechanism()
	if err != nil || publishing.Name() != "AWS_MSK_IAM" {
		t.Fatalf("kafka-go: %v, %v", publishing, err)
	}
	reading, err := login.franzMechanism()
	if err != nil || reading.Name() != "AWS_MSK_IAM" {
		t.Fatalf("franz-go: %v, %v", reading, err)
	}
	_, first, err := reading.Authenticate(t.Context(), "b-1.example.c1.kafka.eu-west-1.amazonaws.com:9098")
	if err != nil || !strings.Contains(string(first), "AKIDEXAMPLE/") || strings.Contains(string(first), "canary") {
		t.Errorf("franz-go says %s, %v", first, err)
	}
}
