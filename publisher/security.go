package publisher

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrConfiguration says that the configuration itself cannot work, whatever the cluster is like.
var ErrConfiguration = errors.New("wrong configuration")

// Mechanism is a way of SASL to say who one is.
type Mechanism string

// The mechanisms that brokers are asked for. With none, SASL is not used.
const (
	MechanismNone        Mechanism = ""
	MechanismPlain       Mechanism = "plain" // without TLS the password can be read on the way
	MechanismScramSHA256 Mechanism = "scram-sha-256"
	MechanismScramSHA512 Mechanism = "scram-sha-512"
	MechanismMSKIAM      Mechanism = "aws-msk-iam" // with the AWS SDK's default credentials
)

// Security says how both Kafka clients reach the brokers. The zero value is neither TLS nor SASL.
type Security struct {
	TLS        bool
	CAFile     string // PEM of the authorities that sign the brokers' certificates; "": the system's
	CertFile   string // PEM of a client certificate; "": none
	KeyFile    string // PEM of its key
	ServerName string // the name to find in the brokers' certificates; "": the broker's host

	Mechanism Mechanism
	Username  string // for plain and scram
	Password  Secret // for plain and scram
}

// Validate reports an ErrConfiguration with a line that says what does not fit together. It never quotes a value: who
// mixes two settings up has put the password into another one.
func (s Security) Validate() error {
	wrong := func(text string) error { return fmt.Errorf("%w: %s", ErrConfiguration, text) }
	switch {
	case !s.TLS && (s.CAFile != "" || s.CertFile != "" || s.KeyFile != "" || s.ServerName != ""):
		return wrong("--tls-ca, --tls-cert, --tls-key and --tls-server-name need --tls")
	case (s.CertFile == "") != (s.KeyFile == ""):
		return wrong("--tls-cert and --tls-key need each other")
	case strings.ContainsFunc(s.ServerName, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return wrong("--tls-server-name is no host name: give the name that is in the brokers' certificates")
	case strings.ContainsFunc(s.Username, unicode.IsControl):
		return wrong("--sasl-username holds a line break or another control character: give the name alone")
	}
	switch s.Mechanism {
	case MechanismNone:
		if s.Username != "" {
			return wrong("--sasl-username needs --sasl-mechanism")
		}
	case MechanismPlain, MechanismScramSHA256, MechanismScramSHA512:
		if s.Username == "" || s.Password == "" {
			return wrong(fmt.Sprintf("--sasl-mechanism %s needs --sasl-username, and --sasl-password-file or FARMWIRE_SASL_PASSWORD", s.Mechanism))
		}
		if err := s.Password.Validate(); err != nil {
			return wrong("the SASL password " + err.Error())
		}
	case MechanismMSKIAM:
		if !s.TLS {
			return wrong("--sasl-mechanism aws-msk-iam needs --tls")
		}
	default:
		return wrong("unknown --sasl-mechanism: it is plain, scram-sha-256, scram-sha-512 or aws-msk-iam")
	}
	return nil
}

// dialTimeout bounds a connection's start, so that the next broker is tried soon.
const dialTimeout = 5 * time.Second

// transport is how kafka-go reaches the brokers. Errors are ErrConfiguration or of the AWS configuration.
func (c Config) transport() (*kafka.Transport, error) {
	if err := c.Security.Validate(); err != nil {
		return nil, err
	}
	encryption, err := c.Security.encryption()
	if err != nil {
		return nil, err
	}
	mechanism, err := c.kafkaMechanism()
	if err != nil {
		return nil, err
	}
	return &kafka.Transport{
		Dial:        c.dial,
		DialTimeout: dialTimeout,
		TLS:         encryption,
		SASL:        mechanism,
	}, nil
}

// readerOpts is how franz-go reaches the brokers. Errors are ErrConfiguration or of the AWS configuration.
func (c Config) readerOpts() ([]kgo.Opt, error) {
	if err := c.Security.Validate(); err != nil {
		return nil, err
	}
	encryption, err := c.Security.encryption()
	if err != nil {
		return nil, err
	}
	dial := c.dial
	if encryption != nil {
		dial = overTLS(dial, encryption)
	}
	opts := []kgo.Opt{kgo.Dialer(dial)}
	mechanism, err := c.franzMechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}
