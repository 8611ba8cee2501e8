package consumer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"farmwire/cluster"
	"farmwire/publisher/kafkatest"
)

// Over TLS and with a login, the right Read on a topic is enough to read it. Without it the error says so, and so it does when
// the right is taken away.
func TestRights(t *testing.T) {
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skipf("starts a broker of its own: run with %s=apache (Java 17 and Maven)", kafkatest.Variable)
	}
	const user, password = "reader", "canary-password-of-reader"
	brokers, err := kafkatest.StartApache(t.Context(), kafkatest.Options{Security: &kafkatest.Security{
		Mechanisms: []string{"SCRAM-SHA-512"}, Users: map[string]string{user: password},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := brokers.Close(); err != nil {
			t.Error(err)
		}
	})
	k := newKafka(t, brokers.InnerAddrs())
	k.writer("w").commit(k.written(1, 0))
	c := k.config
	c.Cluster = cluster.Config{
		Brokers: brokers.Addrs(), TLS: cluster.TLS{Enabled: true, CAFile: filepath.Join(brokers.Dir(), "ca.pem")},
		SASL: cluster.SASL{Mechanism: cluster.MechanismScramSHA512, Username: user, Password: password},
	}
	if _, err := Open(t.Context(), c, Now(), c.EventsTopic()); kindOf(err) != cluster.TopicNotAllowed || strings.Contains(err.Error(), password) {
		t.Errorf("without a right: %v", err)
	}

	right := kadm.NewACLs().Allow("User:" + user).Topics(c.EventsTopic()).ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpRead).AllowHosts()
	granted, err := k.admin.CreateACLs(t.Context(), right)
	for _, one := range granted {
		err = errors.Join(err, one.Err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var r *Reader
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) { // until the broker knows it
		if r, err = Open(t.Context(), c, Beginning(), c.EventsTopic()); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(r.Close)
	if diff := cmp.Diff(examples(1), sessions(read(t, r, 1))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if err := r.Reach(t.Context()); err != nil {
		t.Errorf("reach: %v", err)
	}

	if _, err := k.admin.DeleteACLs(t.Context(), right); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := r.Read(ctx); kindOf(err) != cluster.TopicNotAllowed {
		t.Errorf("without the right again: %v", err)
	}
}
