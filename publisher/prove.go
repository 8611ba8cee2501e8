package publisher

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/findcoordinator"
	"github.com/segmentio/kafka-go/protocol/metadata"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/cluster"
)

const (
	// The time includes the creation of the cluster's own topics for transactions and groups, if nothing has used them yet.
	proofTimeout = 12 * time.Second
	reachTimeout = 2 * cluster.DialTimeout // to connect to one broker, log in, and get its answer
)

// Prove tries what publishing needs and CheckTopics does not check, with the client that publishes. It connects and logs in
// to every broker that the cluster advertises, fences a transactional id of its own, and tries the permissions on the
// transactional ids, the topics and the group. The topics must exist. It changes nothing but the state of that transactional
// id, farmwire.<state topic>.check.
//
// It returns what the brokers say about themselves. An error is one line that says what is wrong and what to do. It is no
// error if a broker does not say which permissions it grants.
func Prove(ctx context.Context, c Config) (Inspection, error) {
	transport, err := c.Cluster.Transport()
	if err != nil {
		return Inspection{}, err
	}
	p := &proof{config: c, brokers: newBrokers(transport, c.Cluster.Brokers, c.Topics(), newMetrics())}
	defer p.brokers.close()
	for _, step := range []func(context.Context) error{p.reachAll, p.transact, p.write, p.join} {
		if err := step(ctx); err != nil {
			return Inspection{}, c.explain(err)
		}
	}
	found, err := p.brokers.inspect(ctx)
	return found, c.explain(err)
}

// proof is one call of Prove.
type proof struct {
	config  Config
	brokers *brokers
}

// reachAll connects to every broker of the cluster, and asks it for the topics.
func (p *proof) reachAll(ctx context.Context) error {
	var answer *metadata.Response
	err := p.repeat(ctx, func(ctx context.Context) (err error) {
		answer, err = p.brokers.metadata(ctx, p.config.Topics()...)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for the brokers: %w", err)
	}
	errs := make([]error, len(answer.Brokers))
	var wg sync.WaitGroup
	for i, b := range answer.Brokers {
		wg.Go(func() { errs[i] = p.reach(ctx, b) })
	}
	wg.Wait()
	return cause(errs)
}

// cause returns the first error that is not nil. The others most often have the same cause.
func cause(errs []error) error {
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return errs[i]
	}
	return nil
}

// reach asks one broker for the topics, and for what this user may do with them.
func (p *proof) reach(ctx context.Context, b metadata.ResponseBroker) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Version = 8
	request.AllowAutoTopicCreation = false
	request.IncludeTopicAuthorizedOperations = true
	for _, name := range p.config.Topics() {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(name)})
	}
	answer, _, err := p.brokers.send(ctx, b.NodeID, request, nil)
	if err != nil {
		address := net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
		return fmt.Errorf("connect to broker %d at %s: %w", b.NodeID, address, p.config.Cluster.Unreached(address, err))
	}
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		if err := judgeTopic(t); err != nil {
			return err
		}
	}
	return nil
}

// neededOperations are the operations on a topic that Farmwire needs, by their numbers in Kafka's protocol.
func neededOperations() map[int8]string { return map[int8]string{3: "Read", 4: "Write", 8: "Describe"} }

func judgeTopic(t kmsg.MetadataResponseTopic) error {
	const notAllowed, notTold = 29, -1 << 31
	if t.ErrorCode == notAllowed {
		return fmt.Errorf("look at %s: %w", *t.Topic, asError(t.ErrorCode))
	}
	if t.AuthorizedOperations != notTold && t.AuthorizedOperations != 0 {
		var missing []string
		for bit, name := range neededOperations() {
			if t.AuthorizedOperations&(1<<bit) == 0 {
				missing = append(missing, name)
			}
		}
		if slices.Sort(missing); len(missing) > 0 {
			return refuse(TopicNotWritable, "the broker does not allow %s on %s: grant Read, Write and Describe on the topics", strings.Join(missing, " and "), *t.Topic)
		}
	}
	for _, tp := range t.Partitions {
		if tp.Leader < 0 {
			return fmt.Errorf("%s-%d has no leader, so nothing can be written to it: start the brokers that keep its replicas", *t.Topic, tp.Partition)
		}
	}
	return nil
}

// transact fences a transactional id that nothing else uses.
func (p *proof) transact(ctx context.Context) error {
	id := "farmwire." + p.config.StateTopic() + ".check"
	p.brokers.timeouts.fence = proofTimeout
	_, err := p.brokers.fence(ctx, id, p.config.Compression)
	if cluster.Code(err) == int16(codeNoCoordinator) {
		return &cluster.Error{Kind: cluster.CoordinatorUnavailable, Err: err, Text: "the coordinator of transactions is not available: transaction.state.log.replication.factor (3 by default) or transaction.state.log.min.isr above the number of brokers is the usual cause; set both on the brokers"}
	}
	return wrap("begin to use the transactional id", err)
}

// write asks whether the topics may be written to by the transactional id that initializes the state topic. It sends a
// request with the producer id -1, which no producer has. Brokers check the permissions first and then refuse the producer
// id, so the request changes nothing.
func (p *proof) write(ctx context.Context) error {
	id := p.config.StateTopic()
	var out []*outgoing
	for _, name := range p.config.Topics() {
		out = append(out, &outgoing{topicPartition: topicPartition{name, 0}})
	}
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	asks := &producer{brokers: p.brokers, id: id, coordinator: -1, identity: noIdentity()}
	err := asks.add(ctx, out, false)
	switch cluster.Code(err) {
	case 53:
		return &cluster.Error{Kind: TransactionalIDNotAllowed, Err: err, Text: fmt.Sprintf("the broker does not allow the transactional id %s: grant Write and Describe on it, besides the ids with the prefix farmwire.%s", id, id)}
	case 29:
		return &cluster.Error{Kind: cluster.TopicNotAllowed, Err: err, Text: "the broker does not allow writing to the topics: grant Write on them"}
	}
	if err == nil || judgeCoordinator(err) == giveUp || judgeCoordinator(err) == fenced {
		return nil // the producer id was refused, so the permissions are granted
	}
	return wrap("ask to write to the topics", err)
}

// join asks whether the group may be joined, by a heartbeat of a member that does not exist. Brokers check the permissions
// first and then refuse the member.
func (p *proof) join(ctx context.Context) error {
	request := kmsg.NewPtrHeartbeatRequest()
	request.Version = 3
	request.Group, request.Generation, request.MemberID = p.config.GroupID(), -1, "nobody"
	err := p.repeat(ctx, func(ctx context.Context) error {
		node, err := p.groupCoordinator(ctx)
		if err != nil {
			return err
		}
		m, _, err := p.brokers.send(ctx, node, request, nil)
		if err != nil {
			return err
		}
		return asError(m.(*kmsg.HeartbeatResponse).ErrorCode)
	})
	switch cluster.Code(err) {
	case int16(codeNoCoordinator):
		return &cluster.Error{Kind: cluster.CoordinatorUnavailable, Err: err, Text: "the coordinator of consumer groups is not available: offsets.topic.replication.factor (3 by default) above the number of brokers is the usual cause; set it on the brokers"}
	case 0, 24, 30: // no answer, invalid group id, group authorization failed
		return wrap("ask for the group "+p.config.GroupID(), err)
	}
	return nil // the member is unknown, or the group does not exist yet
}

func (p *proof) groupCoordinator(ctx context.Context) (int32, error) {
	const groups = 0
	m, err := p.brokers.roundTrip(ctx, &findcoordinator.Request{Key: p.config.GroupID(), KeyType: groups})
	if err != nil {
		return -1, err
	}
	answer := m.(*findcoordinator.Response)
	return answer.NodeID, asError(answer.ErrorCode)
}

// repeat asks until the answer is final. The error wraps the last answer.
func (p *proof) repeat(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, proofTimeout)
	defer cancel()
	pause := newBackoff()
	var last lastAnswer
	for {
		attempt, done := context.WithTimeout(ctx, p.brokers.timeouts.attempt)
		err := ask(attempt)
		done()
		if err == nil || p.isFinal(err) {
			return err
		}
		last.take(err)
		if ctx.Err() != nil || pause.wait(ctx, later) != nil {
			return stopped(ctx, last.err)
		}
	}
}

// isFinal reports whether asking again does not help: a broker has refused the request, or no broker can be reached there.
func (p *proof) isFinal(err error) bool {
	if answer := kafka.Error(0); errors.As(err, &answer) {
		return judgeCoordinator(err) == giveUp
	}
	_, known := errors.AsType[*cluster.Error](p.config.explain(err))
	return known && !cluster.IsTimeout(err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
