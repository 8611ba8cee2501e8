package farmtest

import (
	"encoding/json"
	"slices"
	"time"
)

// page writes one page of a listing.
type page struct {
	req    *request
	hit    strikes
	faults *faults
	now    time.Time // our clock: the instant that it shows
	glance glance
	last   bool    // it was the last page of its listing
	ends   *Worker // the worker whose sessions were listed, if it was the last page
}

// begun is when the listing's first page was answered, in ns of our clock.
func (p *page) begun() int64 {
	if p.req.page > 1 {
		return p.req.token.begun
	}
	return p.now.UnixNano()
}

// writePage appends the body of a page. entry appends one entry or returns nil if it is not shown;
// skip is told of entries that a shift of the pages would skip, and may refuse.
func writePage[T any](b []byte, p *page, list *ordered[T], entry func([]byte, T) []byte, skip func(T, Fault) bool) []byte {
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
	victim := p.victim(len(list.items) - from)
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
		if written == victim || p.hit.has(UnknownFields) {
			b = p.spoil(b, start, written == victim)
		}
		written++
	}
	b = p.list(b, begin)
	next := token{page: uint32(p.req.page + 1), begun: p.begun()}
	if i > 0 {
		next.cursor = list.keys[i-1]
	}
	text, more := p.next(next, i < len(list.items))
	if more {
		b = appendMember(b, "nextToken", text)
	}
	p.last = !more
	if p.hit.has(UnknownFields) {
		b = append(appendName(b, "comingSoon"), `{"a":[1,null,{}]}`...)
	}
	return append(b, '}')
}

// shift moves the start of a later page, as if entries had come or gone since the page before.
func shift[T any](p *page, list *ordered[T], from int, skip func(T, Fault) bool) int {
	f, ok := p.hit.find(PagesShift)
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

// skipAny lets a shift of the pages skip any entry.
func skipAny[T any](T, Fault) bool { return true }

// list closes the list, or makes of it what a fault says.
func (p *page) list(b []byte, begin int) []byte {
	bracket := begin - 1
	if p.hit.has(ListNull) {
		return append(b[:bracket], "null"...)
	}
	if p.hit.has(ListAbsent) {
		return b[:bracket-len(p.req.operation.listKey())-len(`"":`)]
	}
	return append(b, ']')
}

// next returns the text of the next token; false: this page is the last.
func (p *page) next(plain token, more bool) (string, bool) {
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
	if f, ok := p.hit.find(EndlessPages); ok {
		plain.kind, plain.left = tokenEndless, uint32(f.N)
		return plain.encode(p.req.path), true
	}
	if size := p.ring(); size > 0 {
		t.kind, t.size, t.page, t.first = tokenRing, byte(size), plain.page, p.req.page == 1
		return t.encode(p.req.path), true
	}
	return plain.encode(p.req.path), more
}

// ring returns the size of the ring of tokens that begins with this page; 0: none does.
func (p *page) ring() int {
	if p.hit.has(RepeatedToken) {
		return 1
	}
	f, ok := p.hit.find(TokenRing)
	if !ok {
		return 0
	}
	if f.N < 1 || f.N > 255 {
		return 3
	}
	return f.N
}

// victim returns which entry of the page a fault spoils; -1: none.
func (p *page) victim(entries int) int {
	entries = min(entries, p.req.size)
	if entries < 1 || !p.hit.has(EntryIncomplete) && !p.hit.has(EntryNull) && !p.hit.has(EpochTime) {
		return -1
	}
	return int(p.faults.intN(int64(entries)))
}

// spoil changes the entry that begins at start as the faults say.
func (p *page) spoil(b []byte, start int, victim bool) []byte {
	if victim && p.hit.has(EntryNull) {
		return append(b[:start], "null"...)
	}
	var members map[string]any
	if err := json.Unmarshal(b[start:], &members); err != nil {
		return b
	}
	if p.hit.has(UnknownFields) {
		members["comingSoon"] = map[string]any{"list": []int{1, 2}, "none": nil}
	}
	if victim && p.hit.has(EntryIncomplete) {
		required := p.req.operation.required()
		delete(members, required[p.faults.intN(int64(len(required)))])
	}
	if victim && p.hit.has(EpochTime) {
		name := "createdAt"
		if p.req.operation == ListSessionsForWorker {
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

// required returns the members without which an entry of the listing is of no use.
func (o Operation) required() []string {
	switch o {
	case ListFarms:
		return []string{"farmId"}
	case ListFleets:
		return []string{"fleetId"}
	case ListWorkers:
		return []string{"workerId", "status"}
	default:
		return []string{"sessionId", "queueId", "jobId", "startedAt", "lifecycleStatus"}
	}
}

// spoil reports whether a page with these faults is none to a client.
func (s strikes) spoil() bool {
	return slices.ContainsFunc(s, func(f Fault) bool {
		switch f.Kind {
		case Cut, Reset, Truncated, NotJSON, EmptyBody, ListNull, ListAbsent, EntryNull, EntryIncomplete, EpochTime:
			return true
		}
		return false
	})
}

func (s strikes) has(k Kind) bool {
	_, ok := s.find(k)
	return ok
}
