package check

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Input is what a check compares.
type Input struct {
	// Topics as Apache's console consumer prints them from the beginning with read_committed and
	// print.timestamp, print.partition, print.offset, print.headers, print.key and print.value, a tab
	// between columns and U+001E between headers.
	Events, Ended, State io.Reader
	Truth                io.Reader     // JSON lines that the simulated farm wrote
	Region               string        // as in ce_source
	Partitions           int           // of each topic
	Until                time.Time     // our clock: what could be shown by then must have been published
	Grace                time.Duration // what could be shown for so long must have been seen; 0: a minute

	// Disturbances are JSON lines of [Disturbance]. If they are given, the complete listings of a session decide whether
	// its start must be published, as the package comment says, and not Grace.
	Disturbances io.Reader
}

// session is all that is known of one true session.
type session struct {
	id    string
	truth trueSession

	events []event    // as read, then by sequence and once each
	torn   bool       // events are missing, double or unreadable: what follows from that is no anomaly of its own
	ended  []digest   // its records in .ended
	stored []stateLog // its records in .state, as read
}

// checker holds one check.
type checker struct {
	in           Input
	farm         trueFarm
	texts        interner
	sessions     map[string]*session
	watches      map[int]*watch // by shard
	disturbances []disturbance
	report       Report
}

// Run checks. An error means that the input could not be read; anomalies are in the report.
func Run(in Input) (*Report, error) {
	if in.Grace == 0 {
		in.Grace = time.Minute
	}
	c := &checker{in: in, texts: interner{}, sessions: map[string]*session{}, watches: map[int]*watch{}}
	var err error
	c.farm, err = readTruth(in.Truth, func(id string, t trueSession) {
		c.sessions[id] = &session{id: id, truth: t}
	})
	if err != nil {
		return nil, err
	}
	if in.Disturbances != nil {
		if c.disturbances, err = readDisturbances(in.Disturbances); err != nil {
			return nil, err
		}
	}
	c.report.Counts.Sessions, c.report.Counts.StaleReads = len(c.sessions), c.farm.StaleReads
	for _, topic := range []struct {
		name string
		r    io.Reader
		f    func(record) error
	}{{".events", in.Events, c.readEvent}, {".ended", in.Ended, c.readEnded}, {".state", in.State, c.readState}} {
		if err := eachRecord(topic.r, topic.f); err != nil {
			return nil, fmt.Errorf("%s: %w", topic.name, err)
		}
	}
	c.judge()
	return &c.report, nil
}

// judge goes through the sessions in the order of their ids, so that reports can be compared.
func (c *checker) judge() {
	c.checkWatches()
	for _, id := range slices.Sorted(maps.Keys(c.sessions)) {
		s := c.sessions[id]
		c.arrange(s)
		c.checkHistory(s)
		c.checkDue(s)
		c.checkFold(s)
		c.checkEnded(s)
	}
}

func (c *checker) anomaly(k Kind, session, seen, truth string) {
	c.report.add(Anomaly{Kind: k, Session: session, Seen: seen, True: truth})
}

// readEvent takes a record of .events.
func (c *checker) readEvent(r record) error {
	c.report.Counts.Events++
	id, who, e, err := readEvent(c.texts, r)
	if err != nil {
		c.anomaly(BadEnvelope, r.key, r.value, err.Error())
		if s := c.sessions[r.key]; s != nil {
			s.torn = true
		}
		return nil
	}
	c.checkPartition(r, r.key)
	c.report.Counts.Envelopes++
	if err := envelope(c.in.Region, r, id, who, &e); err != nil {
		c.anomaly(BadEnvelope, id, e.String(), err.Error())
	}
	s := c.sessions[id]
	switch {
	case s == nil:
		c.anomaly(InventedState, id, e.String(), "there was no such session")
		return nil
	case who != s.truth.identity:
		c.anomaly(InventedState, id, fmt.Sprint(who), fmt.Sprint(s.truth.identity))
	}
	if e.snapshot {
		c.report.Counts.Snapshots++
	}
	if e.inferred {
		c.report.Counts.Inferred++
	}
	s.events = append(s.events, e)
	return nil
}

// checkPartition compares a record's partition with that of a text: its key or its worker.
func (c *checker) checkPartition(r record, text string) {
	c.report.Counts.Partitions++
	if want := partitionOf(text, c.in.Partitions); want != r.partition {
		c.anomaly(WrongPartition, r.key, fmt.Sprintf("partition %d, offset %d", r.partition, r.offset),
			fmt.Sprintf("murmur2(%s) mod %d is %d", text, c.in.Partitions, want))
	}
}

// arrange puts the events of a session in the order of their numbers, and says what was wrong with it.
func (c *checker) arrange(s *session) {
	for i := range s.events {
		e := &s.events[i]
		if i > 0 && e.partition == s.events[i-1].partition && e.sequence < s.events[i-1].sequence && !seen(s.events[:i], e.sequence) {
			c.anomaly(WrongOrder, s.id, fmt.Sprintf("%d after %d", e.sequence, s.events[i-1].sequence), "numbers rise in the log")
		}
	}
	slices.SortStableFunc(s.events, func(a, b event) int { return int(a.sequence) - int(b.sequence) })
	kept := s.events[:0]
	for _, e := range s.events {
		if n := len(kept); n > 0 && kept[n-1].sequence == e.sequence {
			c.twice(s, kept[n-1], e)
			continue
		}
		want := uint64(1)
		if n := len(kept); n > 0 {
			want = kept[n-1].sequence + 1
		}
		if e.sequence != want {
			s.torn = true
			c.anomaly(Hole, s.id, e.String(), fmt.Sprintf("number %d comes next", want))
		}
		kept = append(kept, e)
	}
	s.events = kept
}

func seen(events []event, sequence uint64) bool {
	return slices.ContainsFunc(events, func(e event) bool { return e.sequence == sequence })
}

// twice names a second record of one id: a copy, or another story that should have been aborted.
func (c *checker) twice(s *session, first, second event) {
	s.torn = true
	kind := DuplicateID
	if first.change != second.change || first.state != second.state || first.previous != second.previous {
		kind = AbortedRead
	}
	c.anomaly(kind, s.id, fmt.Sprintf("%s at offset %d and %s at offset %d", &first, first.offset, &second, second.offset), "one id, one event")
}
