// Package consumer reads the topics that Farmwire writes: committed records only, decoded by package event.
//
//	c := consumer.Config{Cluster: cluster.Config{Brokers: []string{"kafka-1:9092"}}, TopicPrefix: "deadline.sessions"}
//	r, err := consumer.Open(ctx, c, consumer.Beginning(), c.EventsTopic())
//	records, err := r.Read(ctx)
//	e, err := records[0].Event()
//
// A Reader reads all partitions of its topics and keeps no offsets: it is for views, exports and checks. What must have an
// effect for each event, across restarts, needs a consumer group: package trigger has one that calls a command or a webhook.
// A program that has its own group needs only package event and read_committed.
package consumer
