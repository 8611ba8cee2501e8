package publisher

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
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

// secured starts a broker that requires TLS and SASL and checks ACLs.
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

// documented returns the rights that farmwire needs, as the README lists them.
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
		r.await(a, true)
	}
}

// await waits until the broker, which answers before, follows all of the ACLs or none.
func (r rights) await(a *kadm.ACLBuilder, all bool) {
	r.t.Helper()
	until(r.t, 20*time.Second, "the broker follows the ACLs", func() bool {
		found, err := r.admin.DescribeACLs(r.t.Context(), a)
		return err == nil && !slices.ContainsFunc(found, func(f kadm.DescribeACLsResult) bool { return len(f.Described) > 0 != all })
	})
}

func (r rights) revoke(acls ...*kadm.ACLBuilder) {
	r.t.Helper()
	for _, a := range acls {
		if _, err := r.admin.DeleteACLs(r.t.Context(), a.AllowHosts()); err != nil {
			r.t.Fatal(err)
		}
		r.await(a, false)
	}
}

func securedConfig(c *kafkatest.Cluster, m cluster.Mechanism) Config {
	return Config{
		Cluster: cluster.Config{
			Brokers: c.Addrs(),
			TLS:     cluster.TLS{Enabled: true, CAFile: filepath.Join(c.Dir(), "ca.pem")},
			SASL:    cluster.SASL{Mechanism: m, Username: farmwireUser, Password: farmwirePassword},
		},
		TopicPrefix: prefix, Region: "eu-west-1", Initial: "open",
	}
}

func TestSecuredBroker(t *testing.T) {
	c := secured(t)
	r := newRights(t, c)
	acls := r.documented(farmwireUser)
	r.grant(acls...)
	t.Run("all rights", func(t *testing.T) { testDocumentedRights(t, c) })
	t.Run("mutual TLS", func(t *testing.T) { testMutualTLS(t, c, r) })
	t.Run("missing rights", func(t *testing.T) { testMissingRights(t, c, r, acls) })
}

// With the documented rights and no others, publishing works with each mechanism.
func testDocumentedRights(t *testing.T, c *kafkatest.Cluster) {
	for _, m := range []cluster.Mechanism{cluster.MechanismPlain, cluster.MechanismScramSHA512} {
		config := securedConfig(c, m)
		if _, err := CreateTopics(t.Context(), config, testTopics()); err != nil {
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
	config := securedConfig(c, cluster.MechanismNone)
	config.Cluster.Brokers, config.Cluster.SASL = c.MutualTLSAddrs(), cluster.SASL{}
	for what, err := range map[string]error{"franz-go": check(t, config), "kafka-go": prove(t, config)} {
		if problem, ok := errors.AsType[*cluster.Error](err); !ok || problem.Kind != cluster.ClientCertificateRequired {
			t.Errorf("%s, without a certificate: %v", what, err)
		}
	}
	config.Cluster.TLS.CertFile, config.Cluster.TLS.KeyFile = filepath.Join(c.Dir(), "client.pem"), filepath.Join(c.Dir(), "client.key")
	if err := errors.Join(check(t, config), prove(t, config)); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
}

// The error names the right that is missing.
func testMissingRights(t *testing.T, c *kafkatest.Cluster, r rights, acls []*kadm.ACLBuilder) {
	config := securedConfig(c, cluster.MechanismScramSHA512)
	for _, missing := range []struct {
		right int // index in documented
		want  string
	}{
		{0, "grant Write and Describe on the transactional ids"},
		{2, "grant Write, Read, Describe and DescribeConfigs on the topics"},
		{3, "grant Read on it"},
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
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	p, err := Open(ctx, c, testTopics(), testLog(t), nil)
	if err != nil {
		return c.explain(err)
	}
	defer p.Close()
	acquired := errors.New("acquired")
	err = p.Join(ctx, func(ctx context.Context, shard int) error {
		if _, err := p.Acquire(ctx, shard); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, c.explain(err))
		}
		return fmt.Errorf("%w: %w", ErrRefused, acquired)
	})
	if errors.Is(err, acquired) {
		return nil
	}
	return err
}
