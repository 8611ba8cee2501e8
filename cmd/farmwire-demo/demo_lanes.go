package main

// lanes draws the open sessions as vertical lines, one column each, so that the eye can follow a
// session from its start to its end. A column is taken by a first event and free after the last.
type lanes struct {
	columns []string // session id by column, "" if free
}

// newLanes has n columns; sessions that find none free are drawn without a line.
func newLanes(n int) *lanes {
	return &lanes{columns: make([]string, n)}
}

// stroke is one character of the drawing. Lane gives its colour.
type stroke struct {
	Rune rune
	Lane int
}

// draw moves the lanes by an event and gives the drawing of its line and the event's own lane, -1 if it has none.
func (l *lanes) draw(e event) ([]stroke, int) {
	own := l.lane(e.Session.SessionID)
	var line []stroke
	for i, id := range l.columns {
		r := '│'
		switch {
		case i == own:
			r = knot(e.Change)
		case id == "":
			r = ' '
		}
		line = append(line, stroke{r, i})
	}
	if last(e.Change) && own >= 0 {
		l.columns[own] = ""
	}
	return line, own
}

// lane finds the column of a session, or takes the first free one; -1: none is free.
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

// knot is how a change is drawn on its session's line.
func knot(change string) rune {
	switch change {
	case "started":
		return '┬'
	case "discovered":
		return '╤'
	case "ended":
		return '┴'
	case "vanished":
		return '╳'
	default:
		return '┼'
	}
}

// last reports whether no event follows this change.
func last(change string) bool {
	return change == "ended" || change == "vanished"
}
