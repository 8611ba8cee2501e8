package diff

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the results in the golden cases")

// TestGolden runs the cases in testdata; testdata/README.txt describes their form.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 2 {
		t.Fatalf("no golden cases: %v", err)
	}
	for _, file := range files {
		if filepath.Base(file) == "README.txt" {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runGolden(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("-want +got (go test -run Golden -update rewrites the file):\n%s", d)
			}
		})
	}
}

// golden is the state while one file is run.
type golden struct {
	t        *testing.T
	line     string
	out      strings.Builder
	watch    Watch
	snapshot Snapshot
	log      stateLog
	tick     uint64
	pending  *Observation
	exchange Exchange
	names    map[string]string // by session id
}

func runGolden(t *testing.T, text string) string {
	g := &golden{t: t, names: map[string]string{}}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), ">") {
			continue
		}
		g.line = lines.Text()
		g.read(strings.Fields(g.line))
		g.out.WriteString(g.line + "\n")
	}
	g.compare()
	return g.out.String()
}

// read executes one line that is not a result.
func (g *golden) read(words []string) {
	if len(words) == 0 {
		g.compare()
		return
	}
	switch command, words := words[0], words[1:]; command {
	case "see":
		g.pending.Sightings = append(g.pending.Sightings, Sighting{g.session(words), g.exchange})
	case "missing":
		g.pending.NotFound = append(g.pending.NotFound, NotFound{SessionID: g.id(words[0]), Exchange: g.exchange})
	case "page", "answer":
		g.request(words)
		g.pending.Pages++
	case "listing", "answers", "noworker", "nofleet":
		g.compare()
		g.request(words)
		g.pending = &Observation{
			Worker: testWorker, Source: map[string]Source{"listing": CompleteListing, "answers": Answers, "noworker": NoSuchWorker}[command],
			FirstRequest: g.exchange, Pages: 1, Date: g.exchange.Sent,
		}
	case "watch":
		g.compare()
		g.watch = Watch{
			Since:   g.time(words[0]),
			Initial: map[string]Initial{"open": InitialOpen, "all": InitialAll, "none": InitialNone}[words[1]],
		}
		g.snapshot, g.log, g.names = NewSnapshot(testWorker, g.watch), nil, map[string]string{}
	case "restart":
		g.compare()
		g.snapshot = g.log.restore(g.watch)
	default:
		g.compare()
		if !strings.HasPrefix(command, "#") {
			g.t.Fatalf("unknown line %q", g.line)
		}
	}
}

// request reads an exchange: when the request was sent and, optionally, when its answer arrived and the two ticks.
func (g *golden) request(words []string) {
	x := Exchange{Sent: g.time(words[0]), SentTick: g.tick + 1, ArrivedTick: g.tick + 2}
	x.Arrived = x.Sent.Add(100 * time.Millisecond)
	if len(words) > 1 {
		x.Arrived = g.time(words[1])
	}
	if len(words) > 3 {
		x.SentTick, x.ArrivedTick = g.number(words[2]), g.number(words[3])
	}
	g.tick = max(g.tick, x.ArrivedTick)
	g.exchange = x
}

func (g *golden) session(words []string) Session {
	if len(words) != 5 {
		g.t.Fatalf("%q: want name, status, target, start and end", g.line)
	}
	s := Session{WorkerKey: testWorker, QueueID: "queue", JobID: "job", SessionID: g.id(words[0])}
	s.LifecycleStatus, s.StartedAt, s.EndedAt = words[1], g.time(words[3]), g.time(words[4])
	if words[2] != "-" {
		s.TargetLifecycleStatus = words[2]
	}
	return s
}

// id returns a session id for a name. If the name begins with "!", the id does not have the documented form.
func (g *golden) id(name string) string {
	id := name
	if !strings.HasPrefix(name, "!") {
		id = "session-" + (hex.EncodeToString([]byte(name)) + strings.Repeat("0", 32))[:32]
	}
	g.names[id] = name
	return id
}

func (g *golden) number(word string) uint64 {
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		g.t.Fatalf("%q: %v", g.line, err)
	}
	return n
}

// time reads a time of the first day of 2030 or, with "+1d" before it, of the day after, and so on.
func (g *golden) time(word string) time.Time {
	if word == "-" {
		return time.Time{}
	}
	day := 1
	if rest, ok := strings.CutPrefix(word, "+"); ok {
		days, clock, _ := strings.Cut(rest, "d")
		day, word = 1+int(g.number(days)), clock
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999999", fmt.Sprintf("2030-01-%02d %s", day, word))
	if err != nil {
		g.t.Fatalf("%q: %v", g.line, err)
	}
	return at
}

// compare ends an observation and writes the result of Between.
func (g *golden) compare() {
	if g.pending == nil {
		return
	}
	c := Between(g.snapshot, *g.pending)
	g.pending = nil
	g.snapshot = Apply(g.snapshot, c)
	g.log.put(c)
	for _, e := range c.Events {
		g.event(e)
	}
	for _, r := range c.Remembered {
		fmt.Fprintf(&g.out, "> remember %s %s\n", g.names[r.Session.SessionID], state(r.Session))
	}
	g.absences(c.Absences)
	g.list("forget", c.Forgotten)
	g.list("stale", c.Stale)
	g.list("reappeared", c.Reappeared)
	var unresolved []string
	for _, s := range g.snapshot.Unresolved() {
		unresolved = append(unresolved, s.SessionID)
	}
	g.list("unresolved", unresolved)
}

func (g *golden) event(e Change) {
	fmt.Fprintf(&g.out, "> %s %d %s %s", g.names[e.Session.SessionID], e.Sequence, e.Kind, state(e.Session))
	if e.Previous != nil {
		fmt.Fprintf(&g.out, " was %s", state(*e.Previous))
	}
	fmt.Fprintf(&g.out, " between %s and %s", clock(e.Observed.After), clock(e.Observed.Before))
	for _, mark := range []struct {
		set  bool
		name string
	}{{e.Observed.Exact, "exact"}, {e.Inferred, "inferred"}, {e.Snapshot, "snapshot"}} {
		if mark.set {
			g.out.WriteString(" " + mark.name)
		}
	}
	g.out.WriteString("\n")
}

// absences writes which sessions are absent since when.
func (g *golden) absences(a *Absences) {
	if a == nil {
		return
	}
	g.out.WriteString("> absent")
	for _, mark := range a.Marks {
		fmt.Fprintf(&g.out, " since %s", clock(mark.Since))
		for _, id := range mark.Sessions {
			g.out.WriteString(" " + g.names[id])
		}
		if mark.Sessions == nil {
			g.out.WriteString(" all")
		}
	}
	g.out.WriteString("\n")
}

func (g *golden) list(what string, ids []string) {
	if len(ids) == 0 {
		return
	}
	g.out.WriteString("> " + what)
	for _, id := range ids {
		g.out.WriteString(" " + g.names[id])
	}
	g.out.WriteString("\n")
}

func state(s Session) string {
	target := s.TargetLifecycleStatus
	if target == "" {
		target = "-"
	}
	return fmt.Sprintf("%s/%s/%s", s.LifecycleStatus, target, clock(s.EndedAt))
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	text := strings.TrimSuffix(t.Format("15:04:05.000"), ".000")
	if day := t.Day() - 1; day > 0 {
		text = fmt.Sprintf("+%dd%s", day, text)
	}
	return text
}
