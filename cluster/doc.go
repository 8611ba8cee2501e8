// Package cluster configures how to reach a Kafka cluster: bootstrap brokers, TLS and SASL, for both clients that Farmwire
// uses, kafka-go and franz-go. It also explains what their errors mean.
//
//	c := cluster.Config{Brokers: []string{"kafka-1:9092"}, TLS: cluster.TLS{Enabled: true}}
//	options, err := c.ClientOptions()       // for franz-go: bootstrap brokers, client id, TLS, SASL
//	client, err := kgo.NewClient(options...)
//	err = c.Explain(client.Ping(ctx))       // an *Error, whose Kind a program can compare
//
// No error text of this package holds a secret, nor anything that a broker said about a login, because a broker knows the
// password and may repeat it.
package cluster
