package cluster

import (
	"context"
	"net"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/aws_msk_iam_v2"
	kgosasl "github.com/twmb/franz-go/pkg/sasl"
	kgoaws "github.com/twmb/franz-go/pkg/sasl/aws"
	kgoplain "github.com/twmb/franz-go/pkg/sasl/plain"
	kgoscram "github.com/twmb/franz-go/pkg/sasl/scram"
)

// kafkaMechanism returns the mechanism for kafka-go, or nil if there is no login. For plain and scram it uses franz-go's
// login, because kafka-go's own scram changes a password by SASLprep, which brokers, Java and librdkafka do not.
func (s SASL) kafkaMechanism() (sasl.Mechanism, error) {
	if s.Mechanism == MechanismMSKIAM {
		account, err := awsAccount()
		if err != nil {
			return nil, err
		}
		return quietMSK{aws_msk_iam_v2.NewMechanism(account)}, nil
	}
	login, err := s.franzMechanism()
	if login == nil || err != nil {
		return nil, err
	}
	return sameLogin{login}, nil
}

// franzMechanism returns the mechanism for franz-go, or nil if there is no login.
func (s SASL) franzMechanism() (kgosasl.Mechanism, error) {
	switch s.Mechanism {
	case MechanismPlain:
		return quiet{kgoplain.Auth{User: s.Username, Pass: s.Password.reveal()}.AsMechanism()}, nil
	case MechanismScramSHA256:
		return quiet{kgoscram.Auth{User: s.Username, Pass: s.Password.reveal()}.AsSha256Mechanism()}, nil
	case MechanismScramSHA512:
		return quiet{kgoscram.Auth{User: s.Username, Pass: s.Password.reveal()}.AsSha512Mechanism()}, nil
	case MechanismMSKIAM:
		account, err := awsAccount()
		if err != nil {
			return nil, err
		}
		return quiet{kgoaws.ManagedStreamingIAM(func(ctx context.Context) (kgoaws.Auth, error) {
			k, err := account.Credentials.Retrieve(ctx)
			return kgoaws.Auth{AccessKey: k.AccessKeyID, SecretKey: k.SecretAccessKey, SessionToken: k.SessionToken}, err
		})}, nil
	}
	return nil, nil
}

// awsAccount returns the AWS SDK's own configuration. The credentials are retrieved anew for each connection.
func awsAccount() (aws.Config, error) {
	ctx, cancel := context.WithTimeout(context.Background(), DialTimeout)
	defer cancel()
	account, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Config{}, &Error{Kind: AWSSettingsUnreadable, Err: err, quiet: true,
			Text: "the AWS configuration for aws-msk-iam cannot be read: check AWS_PROFILE and the files of the AWS CLI"}
	}
	if account.Region == "" {
		return aws.Config{}, wrong(AWSRegionMissing, "the SASL mechanism aws-msk-iam needs an AWS region: set AWS_REGION")
	}
	return account, nil
}

func loginNotBegun(err error) error {
	return &Error{Kind: LoginNotBegun, Err: err, quiet: true,
		Text: "the login cannot be begun: for aws-msk-iam, check that the AWS credentials are there and valid (aws sts get-caller-identity) and AWS_REGION is set"}
}

func wrongAnswer(err error) error {
	return &Error{Kind: AuthenticationFailed, Err: err, quiet: true,
		Text: "the broker's answer to the login is not what the mechanism requires: it does not know the password, or is not a Kafka broker"}
}

// quiet is a mechanism whose error texts quote neither the credentials nor what the broker said.
type quiet struct{ kgosasl.Mechanism }

// Authenticate begins a login. It sets a deadline, because aws-msk-iam may have to ask for credentials first.
func (m quiet) Authenticate(ctx context.Context, host string) (kgosasl.Session, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	session, first, err := m.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, loginNotBegun(err)
	}
	return quietSession{session}, first, nil
}

type quietSession struct{ kgosasl.Session }

// Challenge answers the broker.
func (s quietSession) Challenge(said []byte) (bool, []byte, error) {
	done, answer, err := s.Session.Challenge(said)
	if err != nil {
		return false, nil, wrongAnswer(err)
	}
	return done, answer, nil
}

// sameLogin adapts a mechanism of franz-go to kafka-go.
type sameLogin struct{ of kgosasl.Mechanism }

// Name returns the mechanism's name in SASL.
func (l sameLogin) Name() string { return l.of.Name() }

// Start begins a login.
func (l sameLogin) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	host := ""
	if m := sasl.MetadataFromContext(ctx); m != nil {
		host = net.JoinHostPort(m.Host, strconv.Itoa(m.Port))
	}
	session, first, err := l.of.Authenticate(ctx, host)
	return sameSession{session}, first, err
}

type sameSession struct{ of kgosasl.Session }

// Next answers the broker.
func (s sameSession) Next(_ context.Context, said []byte) (bool, []byte, error) {
	return s.of.Challenge(said)
}

// quietMSK is the mechanism aws-msk-iam of kafka-go. Its error texts quote neither the AWS credentials nor their source.
type quietMSK struct{ sasl.Mechanism }

// Start begins a login.
func (m quietMSK) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	session, first, err := m.Mechanism.Start(ctx)
	if err != nil {
		return nil, nil, loginNotBegun(err)
	}
	return session, first, nil
}
