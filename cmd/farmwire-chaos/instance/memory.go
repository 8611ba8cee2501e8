package instance

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Memory is how much memory a process had at one moment.
type Memory struct {
	Key string // access key id of the process
	KiB int64  // resident
}

// Memory reads how much memory the present process has. It returns false if none runs, and on systems without /proc.
func (i *Instance) Memory() (Memory, bool) {
	i.mu.Lock()
	p, key := i.process, KeyOf(i.Number, i.life)
	i.mu.Unlock()
	if p == nil {
		return Memory{}, false
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
	if err != nil {
		return Memory{}, false
	}
	kib, ok := residentKiB(status)
	return Memory{Key: key, KiB: kib}, ok
}

// residentKiB reads the resident memory from a file /proc/<id>/status.
func residentKiB(status []byte) (int64, bool) {
	for line := range bytes.Lines(status) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "VmRSS:" && string(fields[2]) == "kB" {
			n, err := strconv.ParseInt(string(fields[1]), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
