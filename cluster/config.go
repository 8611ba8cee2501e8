package cluster

import (
	"context"
	"net"
	"strings"
	"time"
	"unicode"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ClientID is how Farmwire names itself to brokers. It appears in their logs, metrics and quotas.
const ClientID = "farmwire"

// Config says how to reach a cluster.
type Config struct {
	Brokers []string // bootstrap brokers: host:port of some brokers, from which clients learn the others
	TLS     TLS
	SASL    SASL

	// Dial connects to a broker; nil: over TCP. Tests have brokers in the same process, without a network, so that they can own
	// the time.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// TLS says how connections are encrypted. The zero value does not encrypt them.
type TLS struct {
	Enabled    bool
	CAFile     string // PEM file of the authorities that sign the brokers' certificates; "": those of the system
	CertFile   string // PEM file of a client certificate; "": none
	KeyFile    string // PEM file of the client certificate's key
	ServerName string // the name that the brokers' certificates must have; "": the broker's host name
}

// SASL says how a client logs in. The zero value does not log in.
type SASL struct {
	Mechanism Mechanism
	Username  string // for plain and scram
	Password  Secret // for plain and scram
}

// Mechanism is a SASL mechanism: a way to log in.
type Mechanism string

// The mechanisms that are supported.
const (
	MechanismNone        Mechanism = ""
	MechanismPlain       Mechanism = "plain" // without TLS the password crosses the network in clear text
	MechanismScramSHA256 Mechanism = "scram-sha-256"
	MechanismScramSHA512 Mechanism = "scram-sha-512"
	MechanismMSKIAM      Mechanism = "aws-msk-iam" // with the AWS SDK's own settings and credentials
)

// Validate returns an error if the settings cannot work, whatever the cluster is like. It neither reads files nor connects.
// The error is an ErrConfiguration and quotes no value, because a password may have been given in the place of another
// setting.
func (c Config) Validate() error {
	for _, validate := range []func() error{c.TLS.validate, c.SASL.validate, c.validateTogether} {
		if err := validate(); err != nil {
			return err
		}
	}
	if len(c.Brokers) == 0 {
		return wrong(BrokersInvalid, "no bootstrap brokers are given")
	}
	return ValidateBrokers(c.Brokers)
}

func (t TLS) validate() error {
	switch {
	case !t.Enabled && (t.CAFile != "" || t.CertFile != "" || t.KeyFile != "" || t.ServerName != ""):
		return wrong(TLSDisabled, "a CA file, a client certificate, its key or a server name is given, but TLS is not enabled")
	case (t.CertFile == "") != (t.KeyFile == ""):
		return wrong(ClientCertificateIncomplete, "a client certificate and its key need each other, and one of them is missing")
	case strings.ContainsFunc(t.ServerName, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return wrong(ServerNameInvalid, "the TLS server name is not a host name: it must be a name in the brokers' certificates")
	}
	return nil
}

func (s SASL) validate() error {
	if strings.ContainsFunc(s.Username, unicode.IsControl) {
		return wrong(UsernameInvalid, "the SASL user name holds a line break or another control character")
	}
	switch s.Mechanism {
	case MechanismNone:
		if s.Username != "" {
			return wrong(MechanismMissing, "a SASL user name is given, but no SASL mechanism")
		}
	case MechanismPlain, MechanismScramSHA256, MechanismScramSHA512:
		if s.Username == "" || s.Password == "" {
			return wrong(CredentialsMissing, "the SASL mechanism %s needs a user name and a password", s.Mechanism)
		}
		if err := s.Password.Validate(); err != nil {
			return wrong(PasswordInvalid, "the SASL password %v", err)
		}
	case MechanismMSKIAM:
	default:
		return wrong(MechanismUnknown, "the SASL mechanism is unknown: it must be plain, scram-sha-256, scram-sha-512 or aws-msk-iam")
	}
	return nil
}

func (c Config) validateTogether() error {
	if c.SASL.Mechanism == MechanismMSKIAM && !c.TLS.Enabled {
		return wrong(TLSRequired, "the SASL mechanism aws-msk-iam needs TLS")
	}
	return nil
}

// DialTimeout is how long it may take until a connection can carry requests: to connect, to agree on TLS, and to log in. It is
// also how long franz-go waits for each answer during the login, and beyond the time that a request itself may take.
const DialTimeout = 5 * time.Second

// connectTimeout is how long the first step may take, a TCP connection. It is short, so that another broker is soon tried
// when one does not answer at all. A lost packet is sent again after a second, so one may be lost.
const connectTimeout = 2 * time.Second

// Transport returns a transport for clients of kafka-go, with TLS, SASL and the client id. The error is an ErrConfiguration,
// or says that the AWS SDK's settings cannot be read.
func (c Config) Transport() (*kafka.Transport, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	encryption, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	mechanism, err := c.SASL.kafkaMechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		ClientID:    ClientID,
		Dial:        c.dial,
		DialTimeout: DialTimeout,
		TLS:         encryption,
		SASL:        mechanism,
	}, nil
}

// ClientOptions returns the options by which a client of franz-go reaches the cluster: bootstrap brokers, client id, TLS and
// SASL. The caller adds the options for its own purpose. The errors are those of Transport.
func (c Config) ClientOptions() ([]kgo.Opt, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	encryption, err := c.TLS.config()
	if err != nil {
		return nil, err
	}
	dial := c.dial
	if encryption != nil {
		dial = overTLS(dial, encryption)
	}
	mechanism, err := c.SASL.franzMechanism()
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{kgo.SeedBrokers(c.Brokers...), kgo.ClientID(ClientID), kgo.Dialer(newSilent(dial).connect), kgo.RequestTimeoutOverhead(DialTimeout)}
	if mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}
