package view

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// widthElsewhere is the width of lines that do not go to a terminal.
const widthElsewhere = 128

// IsTerminal reports whether a writer is a terminal: an *os.File, or a writer that tells the file descriptor behind it.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// HasColour reports whether colours can be seen on a writer and are welcome: it is a terminal that knows colours, and
// NO_COLOR is not set. CLICOLOR_FORCE asks for colours on every writer.
func HasColour(w io.Writer) bool {
	if forced := os.Getenv("CLICOLOR_FORCE"); forced != "" && forced != "0" {
		return true
	}
	return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Width is the width of a terminal in characters. A writer that is no terminal is as wide as COLUMNS says, or else 128.
func Width(w io.Writer) int {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return widthElsewhere
}
