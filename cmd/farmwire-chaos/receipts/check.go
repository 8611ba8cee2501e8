package receipts

import "fmt"

// Check compares what was delivered with what had to be.
func Check(in Input) *Report {
	counts := Counts{Answers: map[Answer]int{}, Looks: len(in.Commits)}
	c := &checker{in: in, histories: map[string]*history{}, report: &Report{Counts: counts}}
	for n := range in.Events {
		c.histories[in.Events[n].ID] = &history{event: &in.Events[n], first: never, yes: never, refused: never}
	}
	c.requests()
	c.letters()
	c.events()
	c.order()
	c.commits()
	return c.report
}

// checker is a check under way.
type checker struct {
	in        Input
	histories map[string]*history // by the event's id
	report    *Report
}

// history is what became of an event.
type history struct {
	event   *Event
	first   Time // when it was tried first
	yes     Time // when it was taken first, with an answer
	noes    int
	refused Time // when it was told no so often that it may be given up
	letters int
}

// done is when a trigger could first know that nothing is left to do. Only an event that the receiver always refuses may be given up.
func (h *history) done(refuses bool) Time {
	if refuses {
		return h.refused
	}
	return h.yes
}

func (c *checker) found(kind Kind, id, format string, args ...any) {
	c.report.Anomalies = append(c.report.Anomalies, Anomaly{kind, id, fmt.Sprintf(format, args...)})
}

// of returns the history of an event that was delivered or given up, or nil if it must not have been.
func (c *checker) of(id, how string) *history {
	h := c.histories[id]
	switch {
	case h == nil:
		c.found(Invented, id, "%s, but never written", how)
		return nil
	case !h.event.Committed:
		c.found(Uncommitted, id, "%s, but its transaction was aborted", how)
		return nil
	}
	return h
}

func (c *checker) requests() {
	counts := &c.report.Counts
	senders, last := map[string]bool{}, map[string]string{} // last: the sender, by partition
	for _, r := range c.in.Requests {
		counts.Requests++
		counts.Answers[r.Answer]++
		senders[r.Sender] = true
		h := c.of(r.ID, fmt.Sprintf("delivered by %s (%q)", r.Sender, r.Problem))
		if h == nil {
			continue
		}
		if before, ok := last[h.event.Partition]; ok && before != r.Sender {
			counts.Moves++
		}
		last[h.event.Partition] = r.Sender
		if r.Problem != "" {
			c.found(BadRequest, r.ID, "%s, by %s", r.Problem, r.Sender)
		}
		if r.Content != h.event.Content {
			c.found(Changed, r.ID, "delivered by %s as %q, written as %q", r.Sender, r.Content, h.event.Content)
		}
		if r.Arrived > h.yes {
			counts.Repeats++
		}
		c.answered(h, r)
	}
	counts.Senders = len(senders)
}

func (c *checker) answered(h *history, r Request) {
	h.first = min(h.first, r.Arrived)
	switch r.Answer {
	case Yes:
		h.yes = min(h.yes, r.Answered)
	case No:
		if h.noes++; h.noes == c.in.Attempts {
			h.refused = r.Answered
		}
	}
}

func (c *checker) letters() {
	for _, l := range c.in.Letters {
		h := c.of(l.ID, "given up")
		if h == nil {
			continue
		}
		if h.letters++; h.letters > 1 {
			c.report.Counts.Copies++
		} else {
			c.report.Counts.Letters++
		}
		switch {
		case !c.in.Refuses[l.ID]:
			c.found(WrongLetter, l.ID, "it was refused %d times and then accepted", h.noes)
		case h.noes < c.in.Attempts:
			c.found(WrongLetter, l.ID, "it was refused %d times, and %d are allowed", h.noes, c.in.Attempts)
		case l.Reason != "refused", l.Attempts != c.in.Attempts:
			c.found(BadLetter, l.ID, "it says %q after %d attempts, not %q after %d", l.Reason, l.Attempts, "refused", c.in.Attempts)
		case l.Content != h.event.Content:
			c.found(BadLetter, l.ID, "it holds %q, written was %q", l.Content, h.event.Content)
		}
	}
}

// events checks that each event was delivered or given up.
func (c *checker) events() {
	for n := range c.in.Events {
		e := &c.in.Events[n]
		h := c.histories[e.ID]
		if !e.Committed {
			c.report.Counts.Aborted++
			continue
		}
		c.report.Counts.Events++
		if h.yes != never {
			c.report.Counts.Delivered++
		}
		switch {
		case c.in.Refuses[e.ID] && h.letters == 0:
			c.found(NoLetter, e.ID, "it is in %s at %d, and was refused %d times", e.Partition, e.Offset, h.noes)
		case !c.in.Refuses[e.ID] && h.yes == never:
			c.found(Lost, e.ID, "it is in %s at %d, and was never taken; it was refused %d times", e.Partition, e.Offset, h.noes)
		}
	}
}

// order checks that no event was tried before the one that precedes it in its session was done.
func (c *checker) order() {
	before := map[string]*history{} // by session
	for n := range c.in.Events {
		e := &c.in.Events[n]
		if !e.Committed {
			continue
		}
		h := c.histories[e.ID]
		if last := before[e.Session]; last != nil {
			c.report.Counts.Followers++
			if h.first < last.done(c.in.Refuses[last.event.ID]) {
				c.found(OutOfOrder, e.ID, "it was tried before %s was done", last.event.ID)
			}
		}
		before[e.Session] = h
	}
}

// commits checks that everything before a committed offset was done when the group stood there.
func (c *checker) commits() {
	partitions := map[string][]*history{}
	for n := range c.in.Events {
		if e := &c.in.Events[n]; e.Committed {
			partitions[e.Partition] = append(partitions[e.Partition], c.histories[e.ID])
		}
	}
	skipped := map[string]bool{}
	for _, commit := range c.in.Commits {
		for _, h := range partitions[commit.Partition] {
			id := h.event.ID
			if h.event.Offset < commit.Offset && h.done(c.in.Refuses[id]) > commit.Seen && !skipped[id] {
				skipped[id] = true
				c.found(Skipped, id, "it is in %s at %d, was not done, and the group stood at %d",
					commit.Partition, h.event.Offset, commit.Offset)
			}
		}
	}
}
