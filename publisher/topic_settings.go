package publisher

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxBatch is the setting for the size of the largest batch that a topic accepts, in bytes.
const maxBatch = "max.message.bytes"

// topicSettings asks a broker for the settings of topics. ask sends the request, with either client. The result has the
// values by the topics' names and then by the settings' names. It is an error if the answer leaves out a topic, or the needed
// setting of one. A broker that has just been started may leave them out although they have values.
func topicSettings(ctx context.Context, ask func(context.Context, kmsg.Request) (kmsg.Response, error), topics []string, needed string) (map[string]map[string]string, error) {
	request := kmsg.NewPtrDescribeConfigsRequest()
	request.Version = 1 // franz-go uses the newest version that the broker knows instead
	for _, topic := range topics {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		request.Resources = append(request.Resources, resource)
	}
	answer, err := ask(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("settings of the topics: %w", err)
	}
	settings := make(map[string]map[string]string)
	for _, r := range answer.(*kmsg.DescribeConfigsResponse).Resources {
		if err := asError(r.ErrorCode); err != nil {
			return nil, fmt.Errorf("settings of %s: %w", r.ResourceName, err)
		}
		settings[r.ResourceName] = make(map[string]string)
		for _, c := range r.Configs {
			if c.Value != nil {
				settings[r.ResourceName][c.Name] = *c.Value
			}
		}
	}
	for _, topic := range topics {
		if _, ok := settings[topic][needed]; !ok {
			return nil, fmt.Errorf("%s of %s: %w", needed, topic, errNotNamed)
		}
	}
	return settings, nil
}
