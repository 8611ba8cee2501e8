package farmtest

import (
	"encoding/json"
	"slices"
	"time"
)

// page is an answer with a page of a listing, or about single sessions, while it is written.
type page struct {
	req       *request
	fired     firedFaults
	faults    *faults
	now       time.Time // the instant that it shows, in our clock
	staleness staleness
	last      bool    // it is the last page of its listing
	completed *Worker // the worker whose sessions are completely listed with this page; nil if there is none
	corrupted bool    // an entry is
	keepsIDs  bool
	ids       []string // of what it shows
}

// noteShown notes that the answer shows something, if there is a request file.
func (p *page) noteShown(id string) {
	if p.keepsIDs {
		p.ids = append(p.ids, id)
	}
}

// begun returns when the listing's first page was answered, in nanoseconds of our clock.
func (p *page) begun() int64 {
	if p.req.page > 1 {
		return p.req.token.begun
	}
	return p.now.UnixNano()
}

// writePage appends the body of a page. The function entry appends one entry, or returns nil if the page does not
// show it. The function skip reports whether the fault PagesShift may skip an entry.
func writePage[T interface{ ID() string }](b []byte, p *page, list *ordered[T], entry func([]byte, T) []byte, skip func(T, Fault) bool) []byte {
	from := 0
	if p.req.page > 1 && !p.req.token.first {
		from = list.after(p.req.token.cursor)
	}
	if p.req.token.kind == tokenEndless {
		from = len(list.items)
	}
	from = shift(p, list, from, skip)
	b = append(appendName(append(b, '{'), p.req.operation.listKey()), '[')
	begin, written, i := len(b), 0, from
	corrupted := p.entryToCorrupt(len(list.items) - from)
	for ; i < len(list.items) && written < p.req.size; i++ {
		mark := len(b)
		if written > 0 {
			b = append(b, ',')
		}
		start := len(b)
		longer := entry(b, list.items[i])
		if longer == nil {
			b = b[:mark]
			continue
		}
		b = longer
		p.noteShown(list.items[i].ID())
		if written == corrupted || p.fired.has(UnknownFields) {
			b = p.corrupt(b, start, written == corrupted)
		}
		written++
	}
	b = p.closeList(b, begin)
	next := token{page: uint32(p.req.page + 1), begun: p.begun()}
	if i > 0 {
		next.cursor = list.keys[i-1]
	}
	text, more := p.nextToken(next, i < len(list.items))
	if more {
		b = appendMember(b, "nextToken", text)
	}
	p.last = !more
	if p.fired.has(UnknownFields) {
		b = append(appendName(b, "comingSoon"), `{"a":[1,null,{}]}`...)
	}
	return append(b, '}')
}

// shift returns where the page begins. With the fault PagesShift, that is as if entries had come or gone since
// the previous page.
func shift[T any](p *page, list *ordered[T], from int, skip func(T, Fault) bool) int {
	f, ok := p.fired.find(PagesShift)
	if !ok || p.req.page == 1 || p.req.token.kind != tokenPlain {
		return from
	}
	n := f.N
	if n == 0 {
		n = 3
	}
	by := int(p.faults.upTo(time.Duration(n)))
	if p.faults.intN(2) == 0 {
		return max(0, from-by)
	}
	to := min(len(list.items), from+by)
	for from < to && skip(list.items[from], f) {
		from++
	}
	return from
}

// skipAny allows PagesShift to skip any entry.
func skipAny[T any](T, Fault) bool { return true }

// closeList ends the list that begins at begin, or replaces or removes it if a fault says so.
func (p *page) closeList(b []byte, begin int) []byte {
	bracket := begin - 1
	if p.fired.has(ListNull) {
		return append(b[:bracket], "null"...)
	}
	if p.fired.has(ListAbsent) {
		return b[:bracket-len(p.req.operation.listKey())-len(`"":`)]
	}
	return append(b, ']')
}

// nextToken returns the text of the next token. It returns false if this page is the last. The token plain is the one
// for a listing without faults, which has further pages if more is true.
func (p *page) nextToken(plain token, more bool) (string, bool) {
	t := p.req.token
	t.begun = p.begun()
	switch t.kind {
	case tokenRing:
		t.place = (t.place + 1) % t.size
		return t.encode(p.req.path), true
	case tokenEndless:
		if t.left == 1 {
			return "", false
		}
		t.left, t.page = max(t.left, 1)-1, t.page+1
		return t.encode(p.req.path), true
	}
	if f, ok := p.fired.find(EndlessPages); ok {
		plain.kind, plain.left = tokenEndless, uint32(f.N)
		return plain.encode(p.req.path), true
	}
	if size := p.ringSize(); size > 0 {
		t.kind, t.size, t.page, t.first = tokenRing, byte(size), plain.page, p.req.page == 1
		return t.encode(p.req.path), true
	}
	return plain.encode(p.req.path), more
}

// ringSize returns the number of tokens in the cycle that begins with this page, or 0 if none begins.
func (p *page) ringSize() int {
	if p.fired.has(RepeatedToken) {
		return 1
	}
	f, ok := p.fired.find(TokenRing)
	if !ok {
		return 0
	}
	if f.N < 1 || f.N > 255 {
		return 3
	}
	return f.N
}

// entryToCorrupt returns the index, within the page, of the entry that a fault corrupts, or -1 if there is none.
func (p *page) entryToCorrupt(entries int) int {
	if !p.req.operation.isBatch() {
		entries = min(entries, p.req.size)
	}
	if entries < 1 || !p.fired.has(EntryIncomplete) && !p.fired.has(EntryNull) && !p.fired.has(EpochTime) {
		return -1
	}
	return int(p.faults.intN(int64(entries)))
}

// corrupt changes the entry that begins at start as the faults say. The argument chosen tells whether it is the one
// that entryToCorrupt returned.
func (p *page) corrupt(b []byte, start int, chosen bool) []byte {
	p.corrupted = p.corrupted || chosen
	if chosen && p.fired.has(EntryNull) {
		return append(b[:start], "null"...)
	}
	var members map[string]any
	if err := json.Unmarshal(b[start:], &members); err != nil {
		return b
	}
	if p.fired.has(UnknownFields) {
		members["comingSoon"] = map[string]any{"list": []int{1, 2}, "none": nil}
	}
	if chosen && p.fired.has(EntryIncomplete) {
		required := p.req.operation.required()
		delete(members, required[p.faults.intN(int64(len(required)))])
	}
	if chosen && p.fired.has(EpochTime) {
		name := "createdAt"
		if p.req.operation.ShowsSessions() {
			name = "startedAt"
		}
		members[name] = p.now.Unix()
	}
	text, err := json.Marshal(members)
	if err != nil {
		return b
	}
	return append(b[:start], text...)
}

// required returns the members that every entry of the list must have.
func (o Operation) required() []string {
	switch o {
	case ListFarms:
		return []string{"farmId"}
	case ListFleets:
		return []string{"fleetId"}
	case ListWorkers:
		return []string{"workerId", "status"}
	case BatchGetWorker:
		return []string{"farmId", "fleetId", "workerId", "status"}
	case ListSessions:
		return []string{"sessionId", "fleetId", "workerId", "startedAt", "lifecycleStatus"}
	case BatchGetSession:
		return []string{"farmId", "queueId", "jobId", "sessionId", "workerId", "startedAt", "lifecycleStatus"}
	default:
		return []string{"sessionId", "queueId", "jobId", "startedAt", "lifecycleStatus"}
	}
}

// unusable reports whether the faults make a page that a client must discard.
func (p *page) unusable() bool {
	return p.corrupted || slices.ContainsFunc(p.fired, func(f Fault) bool {
		switch f.Kind {
		case Cut, Reset, Truncated, NotJSON, EmptyBody, ListNull, ListAbsent:
			return true
		}
		return false
	})
}

func (fired firedFaults) has(k Kind) bool {
	_, ok := fired.find(k)
	return ok
}
