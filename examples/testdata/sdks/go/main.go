// Command readevents prints the first events of a topic as the CloudEvents SDK for Go reads them, by its binding for Sarama:
//
//	readevents BROKERS TOPIC COUNT
//
// It is a module of its own, so that Sarama is no dependency of Farmwire's.
package main

import (
	"context"
	"encoding/json"
	"log"
	"maps"
	"os"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
	kafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/types"
)

func main() {
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	consumer, err := sarama.NewConsumer(strings.Split(os.Args[1], ","), config)
	check(err)
	partitions, err := consumer.Partitions(os.Args[2])
	check(err)
	messages := make(chan *sarama.ConsumerMessage)
	for _, p := range partitions {
		reader, err := consumer.ConsumePartition(os.Args[2], p, sarama.OffsetOldest)
		check(err)
		go func() {
			for m := range reader.Messages() {
				messages <- m
			}
		}()
	}
	for range count {
		write(<-messages)
	}
}

// write prints an event.
func write(m *sarama.ConsumerMessage) {
	e, err := binding.ToEvent(context.Background(), kafka.NewMessageFromConsumerMessage(m))
	check(err)
	check(e.Validate())
	attributes := map[string]any{
		"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type(), "subject": e.Subject(),
		"time": e.Time().Format("2006-01-02T15:04:05.000Z07:00"), "dataschema": e.DataSchema(), "datacontenttype": e.DataContentType(),
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		check(err)
		attributes[name] = text
	}
	// The binding adds where the record was.
	maps.DeleteFunc(attributes, func(name string, _ any) bool { return strings.HasPrefix(name, "kafka") })
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{"attributes": attributes, "data": json.RawMessage(e.Data())}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
