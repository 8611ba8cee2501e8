//go:build !unix

package kafkatest

import "os"

func pauseProcess(*os.Process) error  { return ErrUnsupported }
func resumeProcess(*os.Process) error { return ErrUnsupported }
func lockFile(*os.File) error         { return nil }
