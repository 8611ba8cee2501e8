// Package kafkatest runs Kafka brokers for tests, the demo and the chaos program: kfake inside the
// process, and Apache Kafka as its own processes.
//
// Apache Kafka comes from Maven Central by the pinned pom.xml of this folder, needs Java 17, runs in
// KRaft mode on free loopback ports with a small heap, and logs to a temporary folder. The jars are kept
// in the user's cache folder, so only the first start downloads them. One broker costs
// about four seconds of CPU until it is ready. [Cluster.Kill], [Cluster.Pause] and [Cluster.Restart] make it
// fail. After SIGKILL a broker can rejoin only when its old session (9 s) is over.
//
// A broker never outlives the program that started it: on Linux the kernel kills it with its parent,
// elsewhere [Cluster.Close] does.
//
// The environment variable FARMWIRE_TEST_KAFKA chooses the brokers of the tests: "apache" starts a cluster, "host:port"
// names one that runs, and without it the tests that need Apache Kafka are skipped.
// kfake is not Kafka: what matters to a transactional publisher (fencing, pending markers, lost answers)
// can be tested only on Apache Kafka.
package kafkatest
