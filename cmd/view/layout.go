package view

// layout is the width of the columns, in characters. The last character of a column is blank, except in the columns of the
// lanes, and of the worker if no id follows.
type layout struct {
	width                                                     int // of a line
	time, known, delay, lanes, session, change, state, worker int
	narrow                                                    bool
	wholeID                                                   bool   // whether the session's id follows
	clock                                                     string // the form of times
}

const (
	leastLanes = 4
	mostLanes  = 40
	goodLanes  = 24 // enough lanes for the session's id to be more useful than more lanes
	widthOfID  = 42 // two blanks and an id of the service
	mostWorker = 32 // a longer name is not worth the room
)

// layoutOf fits the columns into a line. At 80 characters they are as narrow as the names of statuses and of ordinary hosts
// allow. Wider lines have times with milliseconds, then more lanes, and then the ids of sessions.
func layoutOf(o Options) layout {
	l := layout{
		time: 13, known: 8, delay: 8, session: 13, change: 14, state: 27, worker: 14,
		clock: "15:04:05.000",
	}
	if o.Width < l.text(o)+leastLanes {
		l = layout{
			time: 9, known: 7, delay: 5, session: 12, change: 13, state: 19, worker: 11,
			clock: "15:04:05", narrow: true,
		}
	}
	l.width = o.Width
	room := o.Width - l.text(o)
	l.wholeID = room >= goodLanes+widthOfID
	if l.wholeID {
		l.worker += 2
		room -= widthOfID
	}
	l.lanes = min(max(room, leastLanes), mostLanes)
	if l.wholeID {
		l.worker += min(room-l.lanes, mostWorker-l.worker)
	}
	return l
}

// text returns the number of characters in a line that are not lanes.
func (l layout) text(o Options) int {
	n := l.time + l.known + l.session + l.change + l.state + l.worker
	if o.Delay != "" {
		n += l.delay
	}
	return n
}
