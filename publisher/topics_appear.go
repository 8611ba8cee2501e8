package publisher

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// appear waits until every broker shows every topic with all its leaders. The brokers do not all learn about a new topic at
// the same moment, and the next request may go to any of them.
func (c Config) appear(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, appearTimeout)
	defer cancel()
	admin, pause := kadm.NewClient(client), newBackoff()
	for {
		_, err := admin.ListEndOffsets(ctx, c.Topics()...)
		details, listErr := admin.ListTopics(ctx, c.Topics()...)
		err = errors.Join(err, listErr, details.Error())
		for _, b := range client.DiscoveredBrokers() {
			err = errors.Join(err, c.shownBy(ctx, b))
		}
		if err == nil {
			return nil
		}
		if pause.wait(ctx, later) != nil {
			return c.explain(fmt.Errorf("the new topics do not appear: %w", err))
		}
	}
}

// shownBy returns an error if the broker does not show a topic. A broker that does not answer is ignored.
func (c Config) shownBy(ctx context.Context, b *kgo.Broker) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range c.Topics() {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, t)
	}
	answer, err := request.RequestWith(ctx, b)
	if err != nil {
		return ctx.Err()
	}
	var errs []error
	for _, t := range answer.Topics {
		errs = append(errs, kerr.ErrorForCode(t.ErrorCode))
		for _, p := range t.Partitions {
			errs = append(errs, kerr.ErrorForCode(p.ErrorCode))
		}
	}
	return errors.Join(errs...)
}
