//go:build !unix

package kafkatest

import "os"

// lockFile does nothing: on these systems, only one program at a time may download Apache Kafka.
func lockFile(*os.File) error { return nil }
