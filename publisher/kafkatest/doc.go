// Package kafkatest runs Kafka brokers for tests, the demo and the chaos program: kfake inside the process, or
// Apache Kafka as separate processes.
//
// Apache Kafka comes from Maven Central, in the versions that this folder's pom.xml names, and needs Java 17. It runs
// in KRaft mode on free loopback ports with a small heap, and logs to a temporary folder. The user's cache folder keeps
// the jars, so only the first start downloads them. Starting a broker takes about four seconds of CPU time. Tests kill,
// pause and restart brokers with [Cluster.Kill], [Cluster.Pause] and [Cluster.Restart]. A broker that was killed
// rejoins the cluster only after its previous session has timed out, which takes 9 seconds.
//
// A broker never outlives the program that started it. On Linux the kernel kills it when the program ends. On other
// systems [Cluster.Close] does.
//
// The environment variable FARMWIRE_TEST_KAFKA selects the cluster for tests. The value "apache" starts one, and
// "host:port" names a running one. If the variable is not set, tests that need Apache Kafka are skipped. kfake does not
// behave like Apache Kafka in everything that a transactional publisher depends on: fencing, pending markers and lost
// answers can be tested on Apache Kafka only.
package kafkatest
