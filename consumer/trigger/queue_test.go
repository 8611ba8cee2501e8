package trigger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// queueModel says of each event of a queue what became of it.
type queueModel struct {
	*queue
	now     time.Time
	lines   map[string][]*item // the events of each session that are not done, in the order in which they were added
	running []*item
}

func newQueueModel(slots int) *queueModel {
	return &queueModel{queue: newQueue(slots), now: time.Unix(1_800_000_000, 0), lines: map[string][]*item{}}
}

func (m *queueModel) put(session string, p *partition) *item {
	i := &item{partition: p}
	i.event.Subject = session
	m.lines[session] = append(m.lines[session], i)
	m.add(i)
	return i
}

// begin begins all tries that can begin, and checks that each one may.
func (m *queueModel) begin(t *rapid.T) {
	for {
		failed := map[*item]bool{}
		for _, i := range m.waiting {
			failed[i] = true
		}
		i := m.next(m.now)
		if i == nil {
			break
		}
		if m.lines[i.event.Subject][0] != i {
			t.Fatalf("an event of %s is tried before one that precedes it is done", i.event.Subject)
		}
		if failed[i] && i.due.After(m.now) {
			t.Fatal("an event is tried before it is due")
		}
		m.running = append(m.running, i)
	}
	m.check(t)
}

func (m *queueModel) check(t *rapid.T) {
	size, retrying := 0, 0
	for _, line := range m.lines {
		size += len(line)
	}
	for _, i := range m.running {
		if i.retry {
			retrying++
		}
	}
	if m.size != size || m.queue.running != len(m.running) || m.retrying != retrying {
		t.Fatalf("size %d, running %d, retrying %d; want %d, %d, %d", m.size, m.queue.running, m.retrying, size, len(m.running), retrying)
	}
	if len(m.running) > m.slots || retrying > max(1, m.slots-1) {
		t.Fatalf("%d tries, %d of events that have failed, in %d slots", len(m.running), retrying, m.slots)
	}
	if next := m.wake(); !next.IsZero() && !next.After(m.now) {
		t.Fatal("an event is due and not tried, and would be looked at again at once")
	}
	if len(m.running) == m.slots {
		return
	}
	for _, line := range m.lines {
		head := line[0]
		switch {
		case slices.Contains(m.running, head):
		case head.due.IsZero():
			t.Fatal("a slot is free, and the first event of a session is not tried")
		case !head.due.After(m.now) && retrying < max(1, m.slots-1):
			t.Fatal("a slot is free, and an event that is due is not tried")
		}
	}
}

// end ends a try.
func (m *queueModel) end(n int, done bool, pause time.Duration) {
	i := m.running[n]
	m.running = slices.Delete(m.running, n, n+1)
	m.ended(i)
	if done {
		m.forget(i)
		m.done(i)
		return
	}
	i.result.Outcome = Unavailable
	m.wait(i, m.now.Add(pause))
}

func (m *queueModel) forget(i *item) {
	key := i.event.Subject
	m.lines[key] = slices.DeleteFunc(m.lines[key], func(other *item) bool { return other == i })
	if len(m.lines[key]) == 0 {
		delete(m.lines, key)
	}
}

// leave takes a partition away.
func (m *queueModel) leave(p *partition) {
	m.drop(p)
	var gone []*item
	for _, line := range m.lines {
		for _, i := range line {
			if i.partition == p && !slices.Contains(m.running, i) {
				gone = append(gone, i)
			}
		}
	}
	for _, i := range gone {
		m.forget(i)
	}
}

// Whatever happens, the events of a session are tried in their order, no slot is empty without need, and events that fail leave a
// slot to others.
func TestQueueObeysItsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newQueueModel(rapid.IntRange(1, 5).Draw(t, "slots"))
		places := []*partition{{}, {}, {}}
		for range rapid.IntRange(0, 150).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"put", "put", "end", "end", "end", "pass", "leave", "hasten"}).Draw(t, "step") {
			case "put":
				p := rapid.IntRange(0, 2).Draw(t, "partition")
				m.put(fmt.Sprint("session-", p, rapid.IntRange(0, 7).Draw(t, "session")), places[p])
			case "end":
				if len(m.running) > 0 {
					pause := time.Duration(rapid.IntRange(0, 30).Draw(t, "pause")) * time.Second
					m.end(rapid.IntRange(0, len(m.running)-1).Draw(t, "which"), rapid.Bool().Draw(t, "done"), pause)
				}
			case "pass":
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "seconds")) * time.Second)
			case "leave":
				m.leave(places[rapid.IntRange(0, 2).Draw(t, "partition")])
			case "hasten":
				m.hasten(m.now)
			}
			m.begin(t)
		}
		for m.size > 0 {
			m.now = m.now.Add(time.Minute)
			m.begin(t)
			if len(m.running) == 0 {
				t.Fatalf("%d events are left and none is tried", m.size)
			}
			m.end(0, true, 0)
		}
		if len(m.queue.lines) > 0 || len(m.fresh) > 0 || len(m.waiting) > 0 {
			t.Fatal("the queue holds events that are done")
		}
	})
}

// fail adds events that have failed once and are due again.
func (m *queueModel) fail(p *partition, events int) {
	var failed []*item
	for n := range events {
		m.put(fmt.Sprint("failed-", n), p)
		i := m.next(m.now)
		m.ended(i)
		failed = append(failed, i)
	}
	for _, i := range failed {
		m.wait(i, m.now)
	}
}

// order runs a queue in which many events are due again and many are new, and every try ends before the next begins. It returns
// what is tried: r for an event that has failed, f for a new one.
func order(slots, tries int) string {
	m := newQueueModel(slots)
	p := &partition{}
	m.fail(p, 2*tries)
	for n := range 2 * tries {
		m.put(fmt.Sprint("new-", n), p)
	}
	text, running := "", []*item{}
	for len(text) < tries {
		for i := m.next(m.now); i != nil; i = m.next(m.now) {
			running = append(running, i)
			text += map[bool]string{true: "r", false: "f"}[i.retry]
		}
		m.ended(running[0])
		m.done(running[0])
		running = running[1:]
	}
	return text[:tries]
}

// Neither events that fail nor new ones keep the others from being tried.
func TestQueueIsFair(t *testing.T) {
	for slots, want := range map[int]string{
		1: "rfrfrfrfrf", // in turn
		2: "rfrfrfrfrf",
		4: "rfffrfffrfff"[:10],
	} {
		if got := order(slots, 10); got != want {
			t.Errorf("%d slots: %s, want %s", slots, got, want)
		}
	}
}

// Without new events those that have failed take all slots but one, so that a new one begins at once.
func TestQueueKeepsASlotForNewEvents(t *testing.T) {
	for slots, want := range map[int]int{1: 1, 2: 1, 4: 3} {
		m := newQueueModel(slots)
		p := &partition{}
		m.fail(p, 10)
		began := 0
		for m.next(m.now) != nil {
			began++
		}
		m.put("new", p)
		if i := m.next(m.now); began != want || (i == nil) != (slots == 1) {
			t.Errorf("%d slots: %d are tried again, and the new one is tried: %v", slots, began, i != nil)
		}
	}
}

// What waits for a target that was not there is due when it is there again, but not what was refused, and not before the time
// that the target has named.
func TestHasten(t *testing.T) {
	m := newQueueModel(4)
	p := &partition{}
	for name, r := range map[string]Result{
		"away": {Outcome: Unavailable}, "busy": {Outcome: Unavailable, RetryAfter: time.Minute}, "refused": {Outcome: Refused},
	} {
		m.put(name, p)
		i := m.next(m.now)
		m.ended(i)
		i.result = r
		m.wait(i, m.now.Add(time.Minute))
	}
	m.hasten(m.now)
	if i := m.next(m.now); i == nil || i.event.Subject != "away" {
		t.Errorf("%v is tried", i)
	}
	if i := m.next(m.now); i != nil {
		t.Errorf("%s is tried", i.event.Subject)
	}
}

// Events that have failed are tried in the order in which they are due, also when others were taken away or are due earlier now.
func TestQueueTriesWhatIsDueFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newQueueModel(1)
		places := []*partition{{}, {}}
		var failed []*item
		for n := range 20 {
			m.put(fmt.Sprint(n), places[rapid.IntRange(0, 1).Draw(t, "partition")])
			i := m.next(m.now)
			m.ended(i)
			i.result.Outcome = rapid.SampledFrom([]Outcome{Unavailable, Refused}).Draw(t, "outcome")
			failed = append(failed, i)
		}
		for _, i := range failed {
			m.wait(i, m.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(t, "seconds"))*time.Second))
		}
		if rapid.Bool().Draw(t, "leave") {
			m.drop(places[0])
		} else {
			m.hasten(m.now)
		}
		var last time.Time
		for m.size > 0 {
			i := m.next(m.now.Add(time.Minute))
			if i.due.Before(last) {
				t.Fatalf("%s is tried after %s", i.due, last)
			}
			last = i.due
			m.ended(i)
			m.done(i)
		}
	})
}

// The pauses double from a second to five minutes, and are spread over half of that.
func TestPause(t *testing.T) {
	for failures, longest := range map[int]time.Duration{
		1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1000: 5 * time.Minute, 1 << 40: 5 * time.Minute,
	} {
		least, most := longest, time.Duration(0)
		for range 1000 {
			d := pause(failures)
			least, most = min(least, d), max(most, d)
		}
		if least < longest/2 || most > longest || most-least < longest/3 {
			t.Errorf("after %d failures: from %s to %s, want from half of %s", failures, least, most, longest)
		}
	}
}
