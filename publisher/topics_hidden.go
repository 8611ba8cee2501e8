package publisher

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// isHidden reports whether this user lacks the permission to describe the topic. The metadata shows such a topic as missing.
// So isHidden asks for an offset: brokers check the permission before they look whether the topic exists.
func isHidden(ctx context.Context, client *kgo.Client, name string) bool {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Timestamp = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic, topic.Partitions = name, []kmsg.ListOffsetsRequestTopicPartition{partition}
	request.Topics = []kmsg.ListOffsetsRequestTopic{topic}
	for _, broker := range client.SeedBrokers() {
		answer, err := broker.Request(ctx, request)
		if err != nil {
			continue
		}
		for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				return p.ErrorCode == kerr.TopicAuthorizationFailed.Code
			}
		}
	}
	return false
}
