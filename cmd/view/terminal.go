package view

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// widthElsewhere is the width of lines that do not go to a terminal.
const widthElsewhere = 128

// IsTerminal reports whether a writer is a terminal. The writer is an *os.File, or has a method Fd that returns the file
// descriptor of one.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// HasColour reports whether to write colours: the writer is a terminal that shows them and NO_COLOR is not set, or
// CLICOLOR_FORCE is set, whatever the writer is.
func HasColour(w io.Writer) bool {
	if forced := os.Getenv("CLICOLOR_FORCE"); forced != "" && forced != "0" {
		return true
	}
	return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Width returns the width of a terminal in characters. For any other writer it returns the value of COLUMNS, or else 128.
func Width(w io.Writer) int {
	if width, ok := terminalWidth(w); ok {
		return width
	}
	if width, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && width > 0 {
		return width
	}
	return widthElsewhere
}

// terminalWidth returns the width of a terminal in characters, and reports whether the writer is one that has a width.
func terminalWidth(w io.Writer) (int, bool) {
	f, ok := w.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil && width > 0
}
