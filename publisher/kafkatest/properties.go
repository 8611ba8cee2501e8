package kafkatest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// properties returns the server.properties of a broker.
func properties(o Options, b *broker, all []*broker) map[string]string {
	var voters []string
	for _, v := range all {
		voters = append(voters, fmt.Sprintf("%d@%s", v.id, loopback(v.ports.controller)))
	}
	replicas := strconv.Itoa(len(all))
	insync := strconv.Itoa(min(len(all), 2))
	p := map[string]string{
		"node.id":                   strconv.Itoa(b.id),
		"process.roles":             "broker,controller",
		"controller.quorum.voters":  strings.Join(voters, ","),
		"controller.listener.names": "CONTROLLER",
		"listeners": "CLIENT://" + loopback(b.ports.client) +
			",INNER://" + loopback(b.ports.inner) + ",CONTROLLER://" + loopback(b.ports.controller),
		"advertised.listeners":           "CLIENT://" + b.advertised + ",INNER://" + loopback(b.ports.inner),
		"listener.security.protocol.map": "CLIENT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"inter.broker.listener.name":     "INNER",
		"log.dirs":                       b.data(),

		"auto.create.topics.enable":                "false",
		"default.replication.factor":               replicas,
		"min.insync.replicas":                      insync,
		"offsets.topic.replication.factor":         replicas,
		"offsets.topic.num.partitions":             "6",
		"transaction.state.log.replication.factor": replicas,
		"transaction.state.log.min.isr":            insync,
		"transaction.state.log.num.partitions":     "6",
		"group.initial.rebalance.delay.ms":         "0",

		"log.cleaner.backoff.ms":         "300",
		"log.cleaner.dedupe.buffer.size": "16777216",
		"num.network.threads":            "2",
		"num.io.threads":                 "4",
		"background.threads":             "2",
	}
	if o.Security != nil {
		maps.Copy(p, securityProperties(*o.Security, b))
	}
	maps.Copy(p, o.Properties)
	return p
}

// securityProperties returns properties that switch the clients' listener to SASL_SSL, add a listener for mutual TLS and
// enable ACLs. The listeners of brokers and controllers stay without security: their clients are the super user
// ANONYMOUS.
func securityProperties(s Security, b *broker) map[string]string {
	mechanisms := s.Mechanisms
	if len(mechanisms) == 0 {
		mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	}
	p := map[string]string{
		"listeners": "CLIENT://" + loopback(b.ports.client) + ",MUTUAL://" + loopback(b.ports.mutual) +
			",INNER://" + loopback(b.ports.inner) + ",CONTROLLER://" + loopback(b.ports.controller),
		"advertised.listeners": "CLIENT://" + b.advertised + ",MUTUAL://" + loopback(b.ports.mutual) +
			",INNER://" + loopback(b.ports.inner),
		"listener.security.protocol.map":               "CLIENT:SASL_SSL,MUTUAL:SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"listener.name.mutual.ssl.client.auth":         "required",
		"listener.name.client.sasl.enabled.mechanisms": strings.Join(mechanisms, ","),
		"ssl.keystore.type":                            "PEM",
		"ssl.keystore.location":                        filepath.Join(b.dir, "server.pem"),
		"ssl.truststore.type":                          "PEM",
		"ssl.truststore.location":                      filepath.Join(b.dir, "ca.pem"),
		"authorizer.class.name":                        "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                                  "User:ANONYMOUS",
	}
	for _, m := range mechanisms {
		login := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		if m == "PLAIN" {
			login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
			for _, name := range slices.Sorted(maps.Keys(s.Users)) {
				login += fmt.Sprintf(` user_%s="%s"`, name, s.Users[name])
			}
			login += ";"
		}
		p["listener.name.client."+strings.ToLower(m)+".sasl.jaas.config"] = login
	}
	return p
}

// scramArguments returns the arguments with which the storage tool creates the users.
func scramArguments(s *Security) []string {
	if s == nil {
		return nil
	}
	var args []string
	for _, name := range slices.Sorted(maps.Keys(s.Users)) {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, name, s.Users[name]))
		}
	}
	return args
}

// encode formats properties for Java, which requires everything but ASCII to be escaped.
func encode(p map[string]string) []byte {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&text, "%s=", name)
		for _, unit := range utf16.Encode([]rune(strings.ReplaceAll(p[name], `\`, `\\`))) {
			if unit < utf8.RuneSelf {
				text.WriteByte(byte(unit))
			} else {
				fmt.Fprintf(&text, `\u%04x`, unit)
			}
		}
		text.WriteByte('\n')
	}
	return []byte(text.String())
}
