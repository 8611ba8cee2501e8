package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"farmwire/diff"
	"farmwire/event"
)

func parseTrigger(t *testing.T, text string) *triggerCmd {
	t.Helper()
	var c triggerCmd
	parser, err := kong.New(&c)
	if err == nil {
		_, err = parser.Parse(strings.Fields(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// The flags that a report names make the same run again.
func TestTriggerReplay(t *testing.T) {
	c := parseTrigger(t, "--seed 2 --kills 3 --stops 4 --restarts 5 --exchanges 7 --broker-kills 9 --cuts 10 --freezes 11 --aways 12 "+
		"--instances 13 --rate 1.5 --pause 7s")
	if d := cmp.Diff(c, parseTrigger(t, c.String())); d != "" || c.Aways != 12 || c.Pause != 7*time.Second {
		t.Error(d)
	}
}

func TestTriggerPlanFollowsTheSeed(t *testing.T) {
	plan := func(seed uint64) []disturbance {
		c := parseTrigger(t, "")
		c.Seed = seed
		return newTriggerDisturber(nil, c, io.Discard).plan()
	}
	if !slices.Equal(plan(1), plan(1)) || slices.Equal(plan(1), plan(2)) {
		t.Error("the plan does not follow the seed")
	}
	kills := func(d disturbance) bool { return d != killInstance }
	if n := len(slices.DeleteFunc(plan(1), kills)); n != 100 || len(plan(1)) != 136 {
		t.Errorf("%d kills of %d", n, len(plan(1)))
	}
}

// What is written are events as a consumer knows them, all of them with ids of their own and most of them the only ones of their
// sessions. The events of a session have rising sequences.
func TestSourceMakesEvents(t *testing.T) {
	s := &source{rng: rand.New(rand.NewPCG(1, 13))}
	ids, last := map[string]bool{}, map[string]uint64{}
	kinds, again := map[diff.Kind]int{}, 0
	for n := range 2000 {
		c := s.change(n%10 > 0)
		r := event.Encode(&c, event.Envelope{Region: "eu-west-1", Recorded: time.Now()})
		e, err := event.Decode(r.Key, r.Value, r.Headers)
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Kind]++
		if last[e.Subject] > 0 {
			again++
		}
		if ids[e.ID] || e.Sequence <= last[e.Subject] {
			t.Errorf("%s comes after the sequence %d", e.ID, last[e.Subject])
		}
		ids[e.ID], last[e.Subject] = true, e.Sequence
		kafka := record(endedTopic, c)
		id, content, err := contentOf(kafka.Headers, kafka.Value)
		if err != nil || id != e.ID || !strings.Contains(content, "\nid="+e.ID+"\n") {
			t.Errorf("%s is written down as %q, %q, %v", e.ID, id, content, err)
		}
	}
	if len(kinds) != 2 || kinds[diff.Vanished] < 100 || again < 200 || again > 1000 {
		t.Errorf("%v, %d of them again", kinds, again)
	}
}

// TestMain lets the test binary be the command of a trigger.
func TestMain(m *testing.M) {
	if os.Getenv("FARMWIRE_CHAOS_POST") != "" {
		program().Main()
	}
	os.Exit(m.Run())
}

// The command goes on until the receiver says yes or no. It passes on what it was given.
func TestPost(t *testing.T) {
	for name, test := range map[string]struct {
		statuses []int // of the answers, one after the other; 0: the connection is cut
		code     int
		stderr   string
	}{
		"yes":                   {[]int{204}, 0, ""},
		"no":                    {[]int{500}, 1, "the receiver says 500"},
		"a redirect":            {[]int{302}, 1, "the receiver says 302"},
		"nobody there, and yes": {[]int{503, 0, 429, 200}, 0, ""},
	} {
		var bodies []string
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, r.Header.Get("Farmwire-Id")+" "+string(body))
			status := test.statuses[min(len(bodies), len(test.statuses))-1]
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			rw.Header().Set("Location", "/")
			rw.WriteHeader(status)
		}))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "post", server.URL)
		cmd.Env = append(os.Environ(), "FARMWIRE_CHAOS_POST=1", "FARMWIRE_ID=s.1")
		cmd.Stdin = strings.NewReader("event\n")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		_ = cmd.Run() // the code says it
		server.Close()
		if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(stderr.String(), test.stderr) {
			t.Errorf("%s: code %d, %q", name, code, stderr.String())
		}
		if want := slices.Repeat([]string{"s.1 event\n"}, len(test.statuses)); !slices.Equal(bodies, want) {
			t.Errorf("%s: it posts %q", name, bodies)
		}
	}
}
