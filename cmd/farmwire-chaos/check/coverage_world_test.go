package check

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"

	"farmwire/coverage"
	product "farmwire/event"
)

// covered is a record of .coverage before it is printed. The product's own code encodes it, and computes the chains that the
// checker computes too.
type covered struct {
	shard  int
	at     float64
	record coverage.Record
	size   *uint64 // of the log; nil: that of the whole log
	head   string  // what a heartbeat says instead of the head of the log
	number int     // how much the record's number is too large
}

// asked is a request.
type asked struct {
	by                string // a-1 if empty
	operation, worker string
	arrived, done     float64
	begun             *float64
	outcome           string
	complete          bool
	ids               []string
}

// newCoveredWorld is the right history, with requests and with coverage records. The worker of "still" hangs from second 20 to
// 130, and its gap is closed then. Each shard has a heartbeat at second 250, whose watermarks are second 240.
func newCoveredWorld(w *world) *world {
	w.covered = []*covered{}
	var ids []string
	for _, s := range w.truth {
		ids = append(ids, s.Worker)
	}
	for _, at := range []float64{18, 245} {
		w.ask("ListFarms", "", at, "farm-1")
		w.ask("ListFleets", "", at, fleet)
		w.ask("ListWorkers", "", at, ids...)
		for _, s := range w.truth {
			if s.Deleted == nil || at < 20 {
				w.ask("ListSessionsForWorker", s.Worker, at, s.ID)
			}
		}
	}
	for at := 30.0; at < 125; at += 10 {
		for _, s := range w.truth {
			if s.Deleted == nil && s.Worker != "worker-still" {
				w.ask("ListSessionsForWorker", s.Worker, at)
			}
		}
		w.ask("ListSessionsForWorker", "worker-still", at).outcome = "left"
		w.ask("ListFarms", "", at, "farm-1")
	}
	w.ask("ListSessionsForWorker", "worker-still", 130, "session-still")
	shard := partitionOf("worker-still", partitions)
	failing := coverage.Gap{Number: 1, Reason: coverage.Failing, Affects: coverage.Affects{Starts: true}, Scope: w.scope("worker-still"), From: w.at(17)}
	w.gap(failing, shard, 40, 0)
	w.gap(failing, shard, 131, 130)
	for shard := range partitions {
		w.beat(shard, 250, 240)
	}
	return w
}

func (w *world) scope(worker string) coverage.Scope {
	return coverage.Scope{FarmID: "farm-1", FleetID: fleet, WorkerID: worker}
}

func (w *world) ask(operation, worker string, at float64, ids ...string) *asked {
	a := &asked{operation: operation, worker: worker, arrived: at, done: at + 0.1, outcome: "ok", ids: ids, complete: strings.HasPrefix(operation, "List")}
	if a.complete {
		a.begun = &at
	}
	w.asked = append(w.asked, a)
	return a
}

func (w *world) gap(g coverage.Gap, shard int, at, to float64) *covered {
	if to != 0 {
		g.Closed, g.To = true, w.at(to)
	}
	c := &covered{shard: shard, at: at, record: coverage.Record{Gap: &g}}
	w.covered = append(w.covered, c)
	return c
}

// falseGap adds a gap from second 180 to 230 to the shard of "still".
func (w *world) falseGap(affects coverage.Affects, of coverage.Scope) {
	shard := partitionOf("worker-still", partitions)
	g := coverage.Gap{Number: 2, Reason: coverage.Failing, Affects: affects, Scope: of, From: w.at(180)}
	w.gap(g, shard, 190, 0)
	w.gap(g, shard, 231, 230)
}

func (w *world) beat(shard int, at, watermark float64) *covered {
	t := w.at(watermark)
	c := &covered{shard: shard, at: at, record: coverage.Record{Heartbeat: &coverage.Heartbeat{Watermark: coverage.Watermark{Changes: t, Announced: t, Starts: t}}}}
	w.covered = append(w.covered, c)
	return c
}

// heartbeat is the last heartbeat of the shard of a worker.
func (w *world) heartbeat(worker string) (last *covered) {
	for _, c := range w.covered {
		if c.record.Heartbeat != nil && c.shard == partitionOf(worker, partitions) {
			last = c
		}
	}
	return last
}

// unask removes the requests for which f holds.
func (w *world) unask(f func(*asked) bool) {
	var kept []*asked
	for _, a := range w.asked {
		if !f(a) {
			kept = append(kept, a)
		}
	}
	w.asked = kept
}

// chainOf is the chain of the first events of a shard; size 0: of all.
func (w *world) chainOf(shard int, size uint64) (chain product.Chain) {
	lines := bufio.NewScanner(w.printEvents(w.events))
	for lines.Scan() {
		r, err := parseRecord(lines.Text())
		if err != nil {
			w.t.Fatal(err)
		}
		if headers, _ := headerMap(r.headers); headers["ce_shard"] != fmt.Sprint(shard) || size != 0 && chain.Size == size {
			continue
		}
		record := product.Record{Key: []byte(r.key), Value: []byte(r.value)}
		for h := range strings.SplitSeq(r.headers, headerSeparator) {
			name, value, _ := strings.Cut(h, ":")
			record.Headers = append(record.Headers, product.Header{Key: name, Value: []byte(value)})
		}
		chain.Add(product.Digest(record))
	}
	return chain
}

// printShard returns the coverage records of a shard, and their chain.
func (w *world) printShard(shard int) (lines []string, log product.Chain) {
	for _, c := range w.covered {
		if c.shard != shard {
			continue
		}
		env := product.CoverageEnvelope{Region: region, StateTopic: "deadline.sessions.state", Shard: shard, Time: w.at(c.at), Recorded: w.at(c.at),
			CoverageLog: log, Instance: "a", Log: w.chainOf(shard, 0)}
		if c.size != nil {
			env.Log = product.Chain{}
			if *c.size > 0 {
				env.Log = w.chainOf(shard, *c.size)
			}
		}
		env.CoverageLog.Size += uint64(c.number)
		r := product.EncodeCoverage(c.record, env)
		value := string(r.Value)
		if c.head != "" {
			value = strings.Replace(value, env.Log.HeadText(), c.head, 1)
		}
		var headers []string
		for _, h := range r.Headers {
			headers = append(headers, h.Key+":"+string(h.Value))
		}
		lines = append(lines, fmt.Sprintf("CreateTime:%d\tPartition:%d\tOffset:%d\t%s\t%s\t%s\n", env.Recorded.UnixMilli(), shard, log.Size, strings.Join(headers, headerSeparator), r.Key, value))
		r.Value = []byte(value)
		log.Add(product.Digest(r))
	}
	return lines, log
}

func (w *world) printCoverage() io.Reader {
	var b strings.Builder
	for shard := range partitions {
		lines, _ := w.printShard(shard)
		b.WriteString(strings.Join(lines, ""))
	}
	return strings.NewReader(b.String())
}

func (w *world) printRequests() io.Reader {
	var b strings.Builder
	moment := func(seconds *float64) any {
		if seconds == nil {
			return nil
		}
		return w.at(*seconds)
	}
	for _, a := range w.asked {
		line := map[string]any{"operation": a.operation, "by": cmp.Or(a.by, "a-1"), "workerId": a.worker, "arrived": w.at(a.arrived), "done": w.at(a.done), "begun": moment(a.begun),
			"outcome": a.outcome, "complete": a.complete && a.outcome == "ok", "ids": a.ids}
		if a.operation != "ListFarms" {
			line["farmId"] = "farm-1"
		}
		if a.worker != "" || a.operation == "ListWorkers" {
			line["fleetId"] = fleet
		}
		fmt.Fprintln(&b, w.text(line))
	}
	for _, s := range w.truth {
		fmt.Fprintln(&b, w.text(map[string]any{"farmId": "farm-1", "fleetId": fleet, "workerId": s.Worker, "created": w.at(-200), "deleted": s.Deleted}))
	}
	return strings.NewReader(b.String())
}
