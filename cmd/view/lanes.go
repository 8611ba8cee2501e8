package view

import (
	"slices"

	"farmwire/diff"
	"farmwire/event"
)

// lanes draws the open sessions as vertical lines, one column each, so that the eye can follow a session from its start
// to its end. A session takes a column at its first event and frees it at its last.
type lanes struct {
	columns []string // session id by column, "" if free
}

// newLanes returns lanes with n columns. Sessions are drawn without a line while no column is free.
func newLanes(n int) *lanes {
	return &lanes{columns: make([]string, n)}
}

// resize changes the number of columns. Sessions in the columns that are gone have none any more.
func (l *lanes) resize(n int) {
	l.columns = append(l.columns[:min(n, len(l.columns))], make([]string, max(0, n-len(l.columns)))...)
}

// stroke is one character of the drawing. Its lane decides its colour.
type stroke struct {
	Rune rune
	Lane int
}

// draw advances the lanes by an event. It returns the drawing for the line of the event, and the lane of its session, or -1
// if the session has none.
func (l *lanes) draw(e event.Event) ([]stroke, int) {
	own := l.lane(e.Session.SessionID)
	var line []stroke
	for i, id := range l.columns {
		r := '│'
		switch {
		case i == own:
			r = knot(e.Kind)
		case id == "":
			r = ' '
		}
		line = append(line, stroke{r, i})
	}
	if isLast(e.Kind) {
		l.free(e.Session.SessionID)
	}
	return line, own
}

// free frees the column of a session, if it has one.
func (l *lanes) free(sessionID string) {
	if i := slices.Index(l.columns, sessionID); i >= 0 {
		l.columns[i] = ""
	}
}

// lane returns the column of a session, which may be the first free one, or -1 if none is free.
func (l *lanes) lane(sessionID string) int {
	free := -1
	for i, id := range l.columns {
		if id == sessionID {
			return i
		}
		if id == "" && free < 0 {
			free = i
		}
	}
	if free >= 0 {
		l.columns[free] = sessionID
	}
	return free
}

// knot returns the character that stands for a change in the lane of its session.
func knot(kind diff.Kind) rune {
	switch kind {
	case diff.Started:
		return '┬'
	case diff.Discovered:
		return '╤'
	case diff.Ended:
		return '┴'
	case diff.Vanished:
		return '╳'
	default:
		return '┼'
	}
}

// isLast reports whether no event of the session follows a change of this kind.
func isLast(kind diff.Kind) bool { return kind == diff.Ended || kind == diff.Vanished }
