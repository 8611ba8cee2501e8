package check

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// answer is a request that the farm has received, and what the answer showed. Times are by our clock.
type answer struct {
	operation, key string // key: access key id of the process that asked
	scope                 // that the path names
	arrived, done  instant
	good           bool // the answer is usable; neither good nor bad: neutral
	bad            bool
	throttled      bool // it is bad, and says nothing of what was asked for
	complete       bool // it is the last page of a listing
	ids            []string
}

// trueWorker is when a worker existed, by our clock.
type trueWorker struct {
	scope
	created, deleted instant // deleted is 0 if it still exists
}

// look is a request that was answered: when it arrived (of a listing, that for its first page), and when the answer was complete.
type look struct{ at, done instant }

// looks are sorted by done, and at is the newest until then.
type looks []look

// newest returns the newest look that was answered until a time, or 0.
func (l looks) newest(until instant) instant {
	n, _ := slices.BinarySearchFunc(l, until+1, func(one look, until instant) int { return cmp.Compare(one.done, until) })
	if n == 0 {
		return 0
	}
	return l[n-1].at
}

func (l looks) prepare() {
	slices.SortStableFunc(l, func(a, b look) int { return cmp.Compare(a.done, b.done) })
	for i := 1; i < len(l); i++ {
		l[i].at = max(l[i].at, l[i-1].at)
	}
}

// requests are all that the farm has received.
type requests struct {
	answers  []answer // in the order in which they arrived
	workers  []trueWorker
	scopes   map[string]scope  // of the workers
	sessions map[string]looks  // answers that showed a session
	listed   map[string]looks  // complete listings that showed a session
	statuses map[string]looks  // answers that showed the status of a worker
	starts   map[string]looks  // complete listings of a worker
	complete map[scope]looks   // complete ListWorkers of a fleet, ListFleets of a farm, ListFarms
	found    map[scope]instant // when an answer first showed a farm or a fleet
}

// requestLine is a line of the request file.
type requestLine struct {
	Operation, By, FarmID, FleetID, WorkerID string
	Arrived, Done                            time.Time
	Begun                                    *time.Time
	Outcome                                  string
	Damaged, Complete                        bool
	IDs                                      []string
	Created, Deleted                         *time.Time // of a worker
}

// readRequests reads the JSON lines that the farm has written.
func readRequests(r io.Reader, texts interner) (*requests, error) {
	q := &requests{scopes: map[string]scope{}, sessions: map[string]looks{}, listed: map[string]looks{}, statuses: map[string]looks{}, starts: map[string]looks{}, complete: map[scope]looks{}, found: map[scope]instant{}}
	lines := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	type listing struct {
		operation string
		of        scope
		key       string
		begun     instant
	}
	type pages struct {
		arrived instant  // the request for the first page
		ids     []string // what they have shown
	}
	underWay := map[listing]*pages{}
	for n := 1; ; n++ {
		var l requestLine
		if err := lines.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("requests: line %d: %w", n, err)
		}
		of := scope{texts.text(l.FarmID), texts.text(l.FleetID), texts.text(l.WorkerID)}
		if l.Created != nil {
			q.workers = append(q.workers, trueWorker{of, instantOf(*l.Created), optional(l.Deleted)})
			q.scopes[of.worker] = of
			continue
		}
		a := answer{operation: texts.text(l.Operation), key: texts.text(l.By), scope: of, arrived: instantOf(l.Arrived), done: instantOf(l.Done),
			good: l.Outcome == "ok" && !l.Damaged, complete: l.Complete}
		a.bad = l.Outcome != "ok" && l.Outcome != "ResourceNotFoundException"
		a.throttled = l.Outcome == "429" || l.Outcome == "ThrottlingException"
		for _, id := range l.IDs {
			a.ids = append(a.ids, texts.text(id))
		}
		q.answers = append(q.answers, a)
		if l.Outcome != "ok" {
			continue
		}
		var whole look // of the listing, if this is its last page
		var ids []string
		if l.Begun != nil {
			key := listing{a.operation, of, a.key, instantOf(*l.Begun)}
			p := underWay[key]
			if p == nil {
				p = &pages{arrived: a.arrived}
				underWay[key] = p
			}
			if p.ids = append(p.ids, a.ids...); a.complete {
				whole, ids = look{p.arrived, a.done}, p.ids
				delete(underWay, key)
			}
		}
		switch a.operation {
		case "ListSessionsForWorker":
			if a.complete {
				q.starts[of.worker] = append(q.starts[of.worker], whole)
			}
			for _, id := range ids {
				q.listed[id] = append(q.listed[id], whole)
			}
			fallthrough
		case "BatchGetSession", "GetSession", "ListSessions":
			for _, id := range a.ids {
				q.sessions[id] = append(q.sessions[id], look{a.arrived, a.done})
			}
		case "ListFarms", "ListFleets":
			for _, id := range a.ids {
				found := scope{farm: id}
				if a.operation == "ListFleets" {
					found = scope{of.farm, id, ""}
				}
				if at := q.found[found]; at == 0 || a.arrived < at {
					q.found[found] = a.arrived
				}
			}
		case "BatchGetWorker", "ListWorkers":
			for _, id := range a.ids {
				q.statuses[id] = append(q.statuses[id], look{a.arrived, a.done})
			}
		}
		if a.complete && a.operation != "ListSessionsForWorker" && a.operation != "ListSessions" {
			q.complete[of] = append(q.complete[of], whole)
		}
	}
	for _, all := range []map[string]looks{q.sessions, q.listed, q.statuses, q.starts} {
		for _, l := range all {
			l.prepare()
		}
	}
	for _, l := range q.complete {
		l.prepare()
	}
	slices.SortStableFunc(q.answers, func(a, b answer) int { return cmp.Compare(a.arrived, b.arrived) })
	return q, nil
}
