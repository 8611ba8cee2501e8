// Package cluster says how to reach a Kafka cluster: its bootstrap brokers, TLS and SASL, for both clients that Farmwire
// uses, kafka-go and franz-go. It also says what the errors of a cluster mean.
//
//	c := cluster.Config{Brokers: []string{"kafka-1:9092"}, TLS: cluster.TLS{Enabled: true}}
//	options, err := c.ClientOptions()       // for franz-go: bootstrap brokers, client id, TLS, SASL
//	client, err := kgo.NewClient(options...)
//	err = c.Explain(client.Ping(ctx))       // an *Error, whose Kind a program can compare
//
// No error of this package holds a secret, nor anything that a broker said about a login: a broker knows the password and
// may repeat it.
package cluster
