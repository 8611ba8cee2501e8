package publisher

import (
	"context"
	"fmt"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Verification is whether brokers accept a produce request only for a partition that was added to an open transaction
// of the same epoch (KIP-890).
type Verification string

// Whether brokers verify transactions. VerificationUnknown is for a broker that is new enough but whose configuration may not
// be read.
const (
	VerificationOn      Verification = "on"
	VerificationOff     Verification = "off"
	VerificationUnknown Verification = "unknown"
)

// Inspection is what the brokers of a cluster say about themselves.
type Inspection struct {
	Version      string // the oldest broker's version, in the form v4.3; another text if it is not Apache Kafka
	Supported    bool   // whether every broker is Apache Kafka 3.6 or later, or speaks the protocol of those
	Verification Verification
}

// Warning says in one line what is unsafe or not supported. It is empty if nothing is.
func (i Inspection) Warning() string {
	switch {
	case !i.Supported:
		return fmt.Sprintf("a broker is older than Apache Kafka 3.6 (%s), which is the oldest version that is supported: upgrade the brokers", i.Version)
	case i.Verification == VerificationOff:
		return "a broker does not verify transactions, so a shard must wait for every partition that has no leader: set transaction.partition.verification.enable=true"
	}
	return ""
}

// inspect asks every broker for its versions and its configuration. It gives up after the time of two attempts.
func (b *brokers) inspect(ctx context.Context) (found Inspection, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.timeouts.attempt)
	defer cancel()
	err = b.repeat(ctx, "ask the brokers for their versions", func(ctx context.Context) error {
		found, err = b.askVersions(ctx)
		return err
	})
	return found, err
}

// verifyingVersion is the version of AddPartitionsToTxn by which a leader asks the coordinator whether a transaction is open.
// Kafka 3.6 introduced it.
const verifyingVersion = 4

func (b *brokers) askVersions(ctx context.Context) (Inspection, error) {
	answer, err := b.metadata(ctx, b.topics...)
	if err != nil {
		return Inspection{}, err
	}
	if len(answer.Brokers) == 0 {
		return Inspection{}, kafka.BrokerNotAvailable
	}
	all := Inspection{Supported: true, Verification: VerificationOn}
	oldest := int16(-1)
	for _, broker := range answer.Brokers {
		versions, err := b.versions(ctx, broker.NodeID)
		if err != nil {
			return Inspection{}, fmt.Errorf("broker %d at %s:%d: %w", broker.NodeID, broker.Host, broker.Port, err)
		}
		newest, _ := versions.LookupMaxKeyVersion(int16(kmsg.AddPartitionsToTxn))
		if all.Version == "" || newest < oldest {
			oldest, all.Version = newest, versions.VersionGuess()
		}
		verifies := VerificationOff
		if newest >= verifyingVersion {
			if verifies, err = b.verification(ctx, broker.NodeID); err != nil {
				return Inspection{}, err
			}
		} else {
			all.Supported = false
		}
		if all.Verification == VerificationOn || verifies == VerificationOff {
			all.Verification = verifies
		}
	}
	return all, nil
}

func (b *brokers) versions(ctx context.Context, node int32) (*kversion.Versions, error) {
	m, _, err := b.send(ctx, node, kmsg.NewPtrApiVersionsRequest(), nil)
	if err != nil {
		return nil, err
	}
	answer := m.(*kmsg.ApiVersionsResponse)
	if err := asError(answer.ErrorCode); err != nil {
		return nil, err
	}
	return kversion.FromApiVersionsResponse(answer), nil
}

// verification asks one broker whether it verifies transactions. That is unknown if its configuration may not be read, or
// lacks the setting.
func (b *brokers) verification(ctx context.Context, node int32) (Verification, error) {
	const brokerResource, setting = 4, "transaction.partition.verification.enable"
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Version = 1
	request.Resources = []kmsg.DescribeConfigsRequestResource{{
		ResourceType: brokerResource, ResourceName: fmt.Sprint(node), ConfigNames: []string{setting}}}
	m, _, err := b.send(ctx, node, request, nil)
	if err != nil {
		return VerificationUnknown, err
	}
	for _, resource := range m.(*kmsg.DescribeConfigsResponse).Resources {
		for _, c := range resource.Configs {
			switch {
			case c.Name != setting || c.Value == nil:
			case *c.Value == "true":
				return VerificationOn, nil
			case *c.Value == "false":
				return VerificationOff, nil
			}
		}
	}
	return VerificationUnknown, nil
}
