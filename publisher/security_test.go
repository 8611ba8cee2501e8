package publisher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"farmwire/diff"
	"farmwire/publisher/kafkatest"
)

const (
	farmwireUser     = "farmwire"
	farmwirePassword = "canary-password-of-farmwire"
	nobodyUser       = "nobody" // authenticated, without a right
	nobodyPassword   = "canary-password-of-nobody"
	prefix           = "secured"
)

// secured starts a broker that demands TLS and SASL and checks ACLs.
func secured(t *testing.T) *kafkatest.Cluster {
	t.Helper()
	c := apacheCluster(t, kafkatest.Options{Security: &kafkatest.Security{
		Mechanisms: []string{"PLAIN", "SCRAM-SHA-512"},
		Users:      map[string]string{farmwireUser: farmwirePassword, nobodyUser: nobodyPassword},
	}})
	return c
}

// rights administers ACLs as the super user, and the topics of the prefix.
type rights struct {
	t     *testing.T
	admin *kadm.Client
}

func newRights(t *testing.T, c *kafkatest.Cluster) rights {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.InnerAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return rights{t, kadm.NewClient(client)}
}

// documented are the rights that farmwire needs, as the README lists them.
func (r rights) documented(user string) []*kadm.ACLBuilder {
	principal := "User:" + user
	return []*kadm.ACLBuilder{
		kadm.NewACLs().Allow(principal).TransactionalIDs("farmwire."+prefix+".state").ResourcePatternType(kadm.ACLPatternPrefixed).
			Operations(kadm.OpWrite, kadm.OpDescribe),
		kadm.NewACLs().Allow(principal).TransactionalIDs(prefix+".state").ResourcePatternType(kadm.ACLPatternLiteral).
			Operations(kadm.OpWrite, kadm.OpDescribe),
		kadm.NewACLs().Allow(principal).Topics(prefix+".").ResourcePatternType(kadm.ACLPatternPrefixed).
			Operations(kadm.OpWrite, kadm.OpRead, kadm.OpDescribe, kadm.OpDescribeConfigs, kadm.OpCreate),
		kadm.NewACLs().Allow(principal).Groups("farmwire." + prefix + ".state").ResourcePatternType(kadm.ACLPatternLiteral).
			Operations(kadm.OpRead),
	}
}

func (r rights) grant(acls ...*kadm.ACLBuilder) {
	r.t.Helper()
	for _, a := range acls {
		results, err := r.admin.CreateACLs(r.t.Context(), a.AllowHosts())
		for _, one := range results {
			err = errors.Join(err, one.Err)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r rights) revoke(acls ...*kadm.ACLBuilder) {
	r.t.Helper()
	for _, a := range acls {
		if _, err := r.admin.DeleteACLs(r.t.Context(), a.AllowHosts()); err != nil {
			r.t.Fatal(err)
		}
	}
}

func securedConfig(c *kafkatest.Cluster, m Mechanism) Config {
	return Config{
		Brokers: c.Addrs(), TopicPrefix: prefix, Region: "eu-west-1", Initial: "open",
		Security: Security{TLS: true, CAFile: filepath.Join(c.Dir(), "ca.pem"), Mechanism: m, Username: farmwireUser, Password: farmwirePassword},
	}
}

func TestSecuredBroker(t *testing.T) {
	c := secured(t)
	r := newRights(t, c)
	acls := r.documented(farmwireUser)
	r.grant(acls...)
	t.Run("all rights", func(t *testing.T) { testDocumentedRights(t, c) })
	t.Run("mutual TLS", func(t *testing.T) { testMutualTLS(t, c, r) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, c) })
	t.Run("missing rights", func(t *testing.T) { testMissingRights(t, c, r, acls) })
}

// With the documented rights, and no others, the whole works by each mechanism.
func testDocumentedRights(t *testing.T, c *kafkatest.Cluster) {
	for _, m := range []Mechanism{MechanismPlain, MechanismScramSHA512} {
		config := securedConfig(c, m)
		if err := CreateTopics(t.Context(), config, testTopics()); err != nil {
			t.Fatalf("%s: %v", m, err)
		}
		p := testOpen(t, config)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		published := make(chan error, testPartitions)
		err := p.Join(ctx, func(ctx context.Context, shard int) error {
			s, err := p.Acquire(ctx, shard)
			if err == nil {
				err = s.Publish(ctx, []diff.Changes{changesOf(started(session(shard, int(time.Now().UnixNano()&0xffff))))})
			}
			published <- err
			if len(published) == testPartitions {
				stop()
			}
			<-ctx.Done()
			return nil
		})
		stop()
		if err != nil {
			t.Errorf("%s: %v", m, err)
		}
		for range len(published) {
			if err := <-published; err != nil {
				t.Errorf("%s: %v", m, err)
			}
		}
	}
}

func testMutualTLS(t *testing.T, c *kafkatest.Cluster, r rights) {
	r.grant(r.documented("CN=client")...)
	config := securedConfig(c, MechanismNone)
	config.Brokers = c.MutualTLSAddrs()
	config.Security.Username, config.Security.Password = "", ""
	if err := check(t, config); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("without a certificate: %v", err)
	}
	if err := ask(t, config); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("without a certificate: %v", err)
	}
	config.Security.CertFile, config.Security.KeyFile = filepath.Join(c.Dir(), "client.pem"), filepath.Join(c.Dir(), "client.key")
	if err := errors.Join(check(t, config), ask(t, config)); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
}

// check asks by franz-go, ask by kafka-go.
func check(t *testing.T, c Config) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := CheckTopics(ctx, c, testTopics())
	return err
}

func ask(t *testing.T, c Config) error {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	transport, err := c.transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: transport}
	_, err = client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{c.StateTopic()}})
	return explain(err)
}

// Each way of being refused gives one line that names the cause and what to do, from both clients.
func testRefusals(t *testing.T, c *kafkatest.Cluster) {
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	for _, refusal := range []struct {
		name string
		make func(*Config)
		want string
	}{
		{"wrong password", func(c *Config) { c.Security.Password = "canary-wrong" }, "check --sasl-username, the password"},
		{"wrong password, plain", func(c *Config) { c.Security.Password = "canary-wrong"; c.Security.Mechanism = MechanismPlain }, "check --sasl-username, the password"},
		{"unknown user", func(c *Config) { c.Security.Username = "stranger" }, "check --sasl-username"},
		{"mechanism not enabled", func(c *Config) { c.Security.Mechanism = MechanismScramSHA256 }, "choose another --sasl-mechanism"},
		{"unknown authority", func(at *Config) { at.Security.CAFile = filepath.Join(c.Dir(), "other-ca.pem") }, "--tls-ca"},
		{"wrong name", func(c *Config) { c.Security.ServerName = "kafka.example.com" }, "--tls-server-name"},
		{"no SASL on a SASL port", func(c *Config) {
			c.Security.Mechanism, c.Security.Username, c.Security.Password = MechanismNone, "", ""
		}, "set --sasl-mechanism"},
		{"plaintext to a TLS port", func(c *Config) { c.Security.TLS, c.Security.CAFile = false, "" }, "add --tls"},
		{"TLS to a plaintext port", func(at *Config) { at.Brokers = c.InnerAddrs() }, "leave --tls away"},
		{"SASL on a port without", func(at *Config) {
			at.Brokers, at.Security.TLS, at.Security.CAFile = c.InnerAddrs(), false, ""
		}, "leave --sasl-mechanism away"},
		{"nobody listens", func(c *Config) { c.Brokers = []string{unused.Addr().String()} }, "no broker listens there"},
		{"unknown host", func(c *Config) { c.Brokers = []string{"kafka.invalid:9092"} }, "kafka.invalid is unknown"},
	} {
		config := securedConfig(c, MechanismScramSHA512)
		refusal.make(&config)
		for client, err := range map[string]error{"franz-go": check(t, config), "kafka-go": ask(t, config)} {
			if err == nil || !strings.Contains(err.Error(), refusal.want) {
				t.Errorf("%s, %s: %v, want %q", refusal.name, client, err, refusal.want)
				continue
			}
			t.Logf("%s, %s: %v", refusal.name, client, err)
			if text := err.Error(); strings.ContainsAny(text, "\r\n") || strings.Contains(text, "canary") {
				t.Errorf("%s, %s: not one line, or a secret: %s", refusal.name, client, text)
			}
		}
	}
}

// Without one of the documented rights, the line names the right that is missing.
func testMissingRights(t *testing.T, c *kafkatest.Cluster, r rights, acls []*kadm.ACLBuilder) {
	config := securedConfig(c, MechanismScramSHA512)
	for _, missing := range []struct {
		right int // index in documented
		want  string
	}{
		{0, "grant Write and Describe on the transactional ids"},
		{2, "grant Write, Read, Describe and DescribeConfigs on the topics"},
		{3, "grant Read on it, or choose another with --group"},
	} {
		r.revoke(acls[missing.right])
		err := use(t, config)
		if err == nil || !strings.Contains(err.Error(), missing.want) {
			t.Errorf("%v, want %q", err, missing.want)
		}
		t.Log(err)
		r.grant(r.documented(farmwireUser)[missing.right])
	}
	if err := use(t, config); err != nil {
		t.Errorf("with all rights again: %v", err)
	}
}

// use opens, joins and acquires one shard.
func use(t *testing.T, c Config) error {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p, err := Open(ctx, c, testTopics(), testLog(t), nil)
	if err != nil {
		return explain(err)
	}
	defer p.Close()
	acquired := errors.New("acquired")
	err = p.Join(ctx, func(ctx context.Context, shard int) error {
		if _, err := p.Acquire(ctx, shard); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, explain(err))
		}
		return fmt.Errorf("%w: %w", ErrRefused, acquired)
	})
	if errors.Is(err, acquired) {
		return nil
	}
	return err
}

func TestSecretsShowNowhere(t *testing.T) {
	const canary = "canary-0123456789"
	c := Config{Brokers: []string{"127.0.0.1:1"}, Security: Security{Mechanism: MechanismPlain, Username: "user", Password: canary}}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&shown, verb+"\n", c)
		fmt.Fprintf(&shown, verb+"\n", &c)
		fmt.Fprintf(&shown, verb+"\n", c.Security.Password)
	}
	core, logs := observer.New(zap.DebugLevel)
	zap.New(core).Info("config", zap.Any("config", c), zap.Stringer("password", c.Security.Password), zap.Reflect("security", c.Security))
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	for _, entry := range logs.All() {
		line, err := encoder.EncodeEntry(entry.Entry, entry.Context)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(line.Bytes())
	}
	wrong := c
	wrong.Security.Username = ""
	fmt.Fprintln(&shown, wrong.Security.Validate())
	hex := fmt.Sprintf("%x", canary)
	if text := strings.ToLower(shown.String()); strings.Contains(text, canary) || strings.Contains(text, hex) {
		t.Errorf("the secret shows:\n%s", text)
	}
	if !strings.Contains(shown.String(), redacted) {
		t.Error("nothing was shown")
	}
}

func TestSecurityThatDoesNotFitTogether(t *testing.T) {
	for _, tc := range []struct {
		security Security
		want     string
	}{
		{Security{CAFile: "ca.pem"}, "--tls-ca"},
		{Security{TLS: true, CertFile: "c.pem"}, "need each other"},
		{Security{Username: "u"}, "--sasl-username needs --sasl-mechanism"},
		{Security{Mechanism: MechanismPlain, Username: "u"}, "FARMWIRE_SASL_PASSWORD"},
		{Security{Mechanism: MechanismMSKIAM}, "needs --tls"},
		{Security{Mechanism: "gssapi"}, "unknown --sasl-mechanism: it is plain"},
	} {
		c := Config{Security: tc.security}
		_, transport := c.transport()
		_, reader := c.readerOpts()
		for _, err := range []error{transport, reader} {
			if !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), tc.want) {
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
	c := Config{Security: Security{TLS: true, Mechanism: MechanismMSKIAM}}
	publishing, err := c.kafkaMechanism()
	if err != nil || publishing.Name() != "AWS_MSK_IAM" {
		t.Fatalf("kafka-go: %v, %v", publishing, err)
	}
	reading, err := c.franzMechanism()
	if err != nil || reading.Name() != "AWS_MSK_IAM" {
		t.Fatalf("franz-go: %v, %v", reading, err)
	}
	_, first, err := reading.Authenticate(t.Context(), "b-1.example.c1.kafka.eu-west-1.amazonaws.com:9098")
	if err != nil || !strings.Contains(string(first), "AKIDEXAMPLE/") || strings.Contains(string(first), "canary") {
		t.Errorf("franz-go says %s, %v", first, err)
	}
}
