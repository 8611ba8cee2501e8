package publisher

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// appear waits until every broker shows the new topics with all their leaders. The brokers do not all learn about a new topic at
// the same moment, and the next request may go to any of them.
func (c Config) appear(ctx context.Context, client *kgo.Client, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, appearTimeout)
	defer cancel()
	admin, pause := kadm.NewClient(client), newBackoff()
	for {
		_, err := admin.ListEndOffsets(ctx, topics...)
		details, listErr := admin.ListTopics(ctx, topics...)
		err = errors.Join(err, listErr, details.Error())
		brokers := client.DiscoveredBrokers()
		errs := make([]error, len(brokers))
		var wg sync.WaitGroup
		for i, b := range brokers {
			wg.Go(func() { errs[i] = shownBy(ctx, b, topics) })
		}
		wg.Wait()
		err = errors.Join(append(errs, err)...)
		if err == nil {
			return nil
		}
		if pause.wait(ctx, later) != nil {
			return c.explain(fmt.Errorf("the new topics do not appear: %w", err))
		}
	}
}

// shownBy returns an error if the broker does not show a topic. A broker that does not answer soon is ignored.
func shownBy(ctx context.Context, b *kgo.Broker, topics []string) error {
	request := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, t)
	}
	soon, cancel := context.WithTimeout(ctx, appearTimeout/4)
	defer cancel()
	answer, err := request.RequestWith(soon, b)
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
