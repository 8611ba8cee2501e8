package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cluster"
)

// Only what cannot pass by itself is final, from either client, and an answer that a broker may give while it starts only if
// it lasts.
func TestIsFinal(t *testing.T) {
	c := Config{Cluster: clusterAt([]string{"broker:9092"}), TopicPrefix: "farm"}
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	kind := func(k cluster.Kind) error { return &cluster.Error{Kind: k, Text: "text"} }
	never, lasting, always := [2]bool{false, false}, [2]bool{false, true}, [2]bool{true, true}
	for name, test := range map[string]struct {
		want [2]bool // at once, and when it has lasted
		errs []error
	}{
		"the network": {never, []error{
			dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), dial(syscall.ECONNRESET),
			&net.DNSError{Name: "broker", IsNotFound: true}, &net.DNSError{Name: "broker", IsTemporary: true},
			context.DeadlineExceeded, os.ErrDeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, errors.New("something else"),
		}},
		"brokers that are not ready": {never, []error{
			kerr.CoordinatorNotAvailable, kafka.GroupCoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress,
			kafka.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.LeaderNotAvailable, kerr.NotController, kerr.RequestTimedOut, kerr.BrokerNotAvailable,
			kafka.ConcurrentTransactions, kerr.ThrottlingQuotaExceeded, kerr.UnknownServerError, errNoLeader, errNoProgress, errIncomplete, errNotNamed,
			kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.GroupMaxSizeReached, &kgo.ErrGroupSession{Err: kerr.UnknownMemberID},
			ErrFenced, ErrUnknownOutcome, kind(SharedTopics),
		}},
		"brokers that are closed to clients": {never, []error{
			kind(cluster.ClosedAtOnce), kind(cluster.ClosedInLogin), kind(cluster.ClosedWithTLS), kind(cluster.ClosedWithoutTLS), kind(cluster.SASLRequired),
			&cluster.Error{Kind: cluster.TLSNotSpoken, Err: io.EOF}, kind(cluster.TLSBroken), kind(cluster.NotKafka), kind(cluster.LoginNotBegun), kind(cluster.AddressAdvertised),
			x509.CertificateInvalidError{Reason: x509.Expired},
		}},
		"a login, a right, TLS that does not fit": {lasting, []error{
			kerr.SaslAuthenticationFailed, kafka.SASLAuthenticationFailed, kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
			kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
			&kgo.ErrGroupSession{Err: kerr.GroupAuthorizationFailed}, kafka.TopicAuthorizationFailed,
			x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: &x509.Certificate{}, Host: "broker"}, tls.RecordHeaderError{Msg: "not TLS"},
			errors.New("remote error: tls: certificate required"), errors.New("remote error: tls: bad certificate"), errors.New("remote error: tls: handshake failure"),
			kind(cluster.TLSRequired), kind(cluster.ControllerPort),
		}},
		"requests that brokers do not accept": {lasting, []error{
			kerr.UnsupportedVersion, kerr.PolicyViolation, kerr.InvalidConfig, kerr.InvalidTopicException,
		}},
		"brokers that have not all started": {never, []error{fmt.Errorf("%w: %w", ErrRefused, kind(TooFewBrokers))}}, // before gatherTime
		"what must be changed": {always, []error{
			refuse(TopicUnsafe, "text"), refuse(StateLost, "text"), refuse(RegionDiffers, "text"), kind(TopicMissing), kerr.InvalidSessionTimeout, kerr.InvalidTransactionTimeout,
			&kgo.ErrGroupSession{Err: kerr.FencedInstanceID}, fmt.Errorf("%w: %w", cluster.ErrConfiguration, kind(cluster.CAFileInvalid)), kind(cluster.AWSSettingsUnreadable),
		}},
	} {
		for _, err := range test.errs {
			explained := c.explain(fmt.Errorf("look at the topics: %w", err))
			if got := [2]bool{isFinal(explained, 0), isFinal(explained, cluster.SettleTime)}; got != test.want {
				t.Errorf("%s: %v: final %v, want %v", name, explained, got, test.want)
			}
		}
	}
}

// An answer is final when it has lasted, and not when other errors came between.
func TestTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		denied, away := Config{}.explain(kerr.GroupAuthorizationFailed), Config{}.explain(os.NewSyscallError("connect", syscall.ECONNREFUSED))
		var trials Trials
		for _, err := range []error{denied, denied, away, denied, denied} {
			if trials.IsFinal(err) {
				t.Errorf("%v is final", err)
			}
			time.Sleep(cluster.SettleTime - time.Second)
		}
		if !trials.IsFinal(denied) {
			t.Error("an answer that lasts is not final")
		}
		trials = Trials{}
		few := refuse(TooFewBrokers, "too few brokers")
		if trials.IsFinal(few) {
			t.Error("a cluster may begin with too few brokers")
		}
		time.Sleep(gatherTime)
		if !trials.IsFinal(few) {
			t.Error("too few brokers for a minute are not final")
		}
	})
}
