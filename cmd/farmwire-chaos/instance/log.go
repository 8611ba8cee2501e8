package instance

import (
	"io"
	"slices"
	"strings"
	"time"
)

// Line is a line of an instance's log, and when it was read.
type Line struct {
	At   time.Time
	Text string
}

// readLog reads the log of a process to its end.
func (i *Instance) readLog(from io.Reader) {
	lines := &lineWriter{line: func(line []byte) {
		i.cfg.Shards.readLog(i.Number, line)
		i.note(line)
	}}
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer)
		i.reading.RLock()
		_, _ = lines.Write(buffer[:n]) // never fails
		i.reading.RUnlock()
		if err != nil {
			lines.flush()
			return
		}
	}
}

// BlockLog stops reading the log. Soon the pipe is full, and whoever writes to it waits. The returned function reads on; it
// must be called.
func (i *Instance) BlockLog() (over func()) {
	i.reading.Lock()
	return i.reading.Unlock
}

// noteWarning keeps a line that is a warning, an error, or no part of the log, as a last word of the program. i.mu is held.
func (i *Instance) noteWarning(text string) {
	const most = 5000
	if strings.HasPrefix(text, "{") && !strings.Contains(text, `"level":"warn"`) && !strings.Contains(text, `"level":"error"`) {
		return
	}
	if len(i.warnings) == most {
		i.warnings = slices.Delete(i.warnings, 0, most/2)
	}
	i.warnings = append(i.warnings, Line{At: time.Now(), Text: text})
}

// Warnings returns the newest lines of the log that are warnings or errors and were read at a time or later.
func (i *Instance) Warnings(since time.Time) []Line {
	i.mu.Lock()
	defer i.mu.Unlock()
	first := slices.IndexFunc(i.warnings, func(l Line) bool { return !l.At.Before(since) })
	if first < 0 {
		return nil
	}
	return slices.Clone(i.warnings[first:])
}
