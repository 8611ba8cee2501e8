package publisher

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kgo"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"
	kgoaws "github.com/twmb/franz-go/pkg/sasl/aws"
	kgoplain "github.com/twmb/franz-go/pkg/sasl/plain"
	kgoscram "github.com/twmb/franz-go/pkg/sasl/scram"
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

// Validate reports an ErrConfiguration with a line that says what does not fit together.
func (s Security) Validate() error {
	wrong := func(text string) error { return fmt.Errorf("%w: %s", ErrConfiguration, text) }
	switch {
	case !s.TLS && (s.CAFile != "" || s.CertFile != "" || s.KeyFile != "" || s.ServerName != ""):
		return wrong("--tls-ca, --tls-cert, --tls-key and --tls-server-name need --tls")
	case (s.CertFile == "") != (s.KeyFile == ""):
		return wrong("--tls-cert and --tls-key need each other")
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
	case MechanismMSKIAM:
		if !s.TLS {
			return wrong("--sasl-mechanism aws-msk-iam needs --tls")
		}
	default:
		return wrong(fmt.Sprintf("unknown --sasl-mechanism %q: it is plain, scram-sha-256, scram-sha-512 or aws-msk-iam", string(s.Mechanism)))
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
		Dial:        (&net.Dialer{Timeout: dialTimeout}).DialContext,
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
	opts := []kgo.Opt{kgo.DialTimeout(dialTimeout)}
	encryption, err := c.Security.encryption()
	if err != nil {
		return nil, err
	}
	if encryption != nil {
		opts = append(opts, kgo.DialTLSConfig(encryption))
	}
	mechanism, err := c.franzMechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

// encryption is nil without TLS.
func (s Security) encryption() (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CAFile != "" {
		text, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%w: --tls-ca: %w", ErrConfiguration, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%w: --tls-ca %s holds no certificate in PEM", ErrConfiguration, s.CAFile)
		}
	}
	if s.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: --tls-cert and --tls-key: %w", ErrConfiguration, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (c Config) kafkaMechanism() (sasl.Mechanism, error) {
	s := c.Security
	switch s.Mechanism {
	case MechanismPlain:
		return plain.Mechanism{Username: s.Username, Password: s.Password.reveal()}, nil
	case MechanismScramSHA256:
		return scram.Mechanism(scram.SHA256, s.Username, s.Password.reveal())
	case MechanismScramSHA512:
		return scram.Mechanism(scram.SHA512, s.Username, s.Password.reveal())
	case MechanismMSKIAM:
		account, err := c.account()
		if err != nil {
			return nil, err
		}
		return aws_msk_iam_v2.NewMechanism(account), nil
	}
	return nil, nil
}

func (c Config) franzMechanism() (kgosasl.Mechanism, error) {
	s := c.Security
	switch s.Mechanism {
	case MechanismPlain:
		return kgoplain.Auth{User: s.Username, Pass: s.Password.reveal()}.AsMechanism(), nil
	case MechanismScramSHA256:
		return kgoscram.Auth{User: s.Username, Pass: s.Password.reveal()}.AsSha256Mechanism(), nil
	case MechanismScramSHA512:
		return kgoscram.Auth{User: s.Username, Pass: s.Password.reveal()}.AsSha512Mechanism(), nil
	case MechanismMSKIAM:
		account, err := c.account()
		if err != nil {
			return nil, err
		}
		return kgoaws.ManagedStreamingIAM(func(ctx context.Context) (kgoaws.Auth, error) {
			k, err := account.Credentials.Retrieve(ctx)
			if err != nil {
				return kgoaws.Auth{}, fmt.Errorf("AWS credentials for aws-msk-iam: %w", err)
			}
			return kgoaws.Auth{AccessKey: k.AccessKeyID, SecretKey: k.SecretAccessKey, SessionToken: k.SessionToken}, nil
		}), nil
	}
	return nil, nil
}

// account is what the AWS SDK finds in its usual places; credentials are asked for at each connection.
func (c Config) account() (aws.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	account, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS configuration for aws-msk-iam: %w", err)
	}
	if account.Region == "" {
		account.Region = c.Region
	}
	if account.Region == "" {
		return aws.Config{}, fmt.Errorf("%w: --sasl-mechanism aws-msk-iam needs a region: set AWS_REGION", ErrConfiguration)
	}
	return account, nil
}
