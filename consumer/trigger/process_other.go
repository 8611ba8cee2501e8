//go:build !unix

package trigger

import (
	"os"
	"syscall"
)

// The functions below do what they can where there are neither process groups nor signals.

func processAttributes() *syscall.SysProcAttr { return nil }

func terminateGroup(p *os.Process) { _ = p.Kill() }

func killGroup(p *os.Process) { _ = p.Kill() }

func groupExists(*os.Process) bool { return false }

func signalOf(*os.ProcessState) int { return 0 }
