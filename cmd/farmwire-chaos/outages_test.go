package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"farmwire/cmd/farmwire-chaos/instance"
	"farmwire/cmd/farmwire-chaos/proxy"
	"farmwire/publisher/kafkatest"
	"farmwire/status"
)

// The words of each cause are in what farmwire says about it, and not in what it says about the others of its kind.
func TestNamesIn(t *testing.T) {
	byName := map[string]outage{}
	for _, o := range allOutages() {
		if _, twice := byName[o.name]; twice {
			t.Errorf("two outages %s", o.name)
		}
		byName[o.name] = o
	}
	standby := status.Report{Stage: status.Running, Group: status.Group{Joined: true}, Polling: status.Polling{Phase: status.Started, Answered: true}}
	for _, test := range []struct {
		outage, text string
		want         bool
	}{
		{"brokers-killed", standby.Text(), false},
		{"brokers-killed", "shard 3 waits to be acquired again: no broker listens there", true},
		{"brokers-killed", `{"level":"warn","msg":"the group cannot be reached; trying again"}`, true},
		{"brokers-killed", "Deadline Cloud has not answered yet: connection", false},
		{"api-refused", "ListWorkers of farm farm-1, fleet fleet-2 failed 2 times in a row: connection", true},
		{"api-network", "Deadline Cloud has not answered yet: timeout", true},
		{"api-network", "ListFarms failed 3 times in a row: denied", false},
		{"api-errors", "ListFarms failed 3 times in a row: server error", true},
		{"api-errors", "ListFarms failed 3 times in a row: throttled", false},
		{"api-throttled", "ListFarms failed 3 times in a row: throttled", true},
		{"sessions-denied", "ListSessionsForWorker of farm f, fleet l, worker w failed 3 times in a row: denied", true},
		{"sessions-denied", "the credentials are refused", false},
		{"credentials-refused", "the credentials are refused", true},
		{"credentials-gone", "no usable AWS credentials: the container's endpoint (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI): connection refused", true},
	} {
		if got := namesIn(test.text, byName[test.outage].named); got != test.want {
			t.Errorf("%s is named in %q: %t", test.outage, test.text, got)
		}
	}
}

// Every outage tells what is to be seen: a cause that is named, or work that goes on.
func TestOutagesAreJudged(t *testing.T) {
	for _, o := range allOutages() {
		if (o.named == nil) == (o.goesOn == 0) {
			t.Errorf("%s: either the cause is named or publishing goes on", o.name)
		}
	}
	one, err := (&outagesCmd{Brokers: 1}).chosen()
	if err != nil {
		t.Fatal(err)
	}
	three, err := (&outagesCmd{Brokers: 3}).chosen()
	if err != nil || len(one) != len(three)-3 {
		t.Errorf("%d outages with one broker, %d with three, %v", len(one), len(three), err)
	}
	if _, err := (&outagesCmd{Brokers: 1, Outage: []string{"bootstrap"}}).chosen(); err == nil || !strings.Contains(err.Error(), "brokers-killed") {
		t.Errorf("an outage that needs three brokers: %v", err)
	}
	if chosen, err := (&outagesCmd{Brokers: 3, Outage: []string{"log", "api-denied"}}).chosen(); err != nil || len(chosen) != 2 || chosen[1].name != "api-denied" {
		t.Errorf("%v, %v", chosen, err)
	}
	if _, err := (&outagesCmd{}).campaign(); err != nil {
		t.Error(err)
	}
}

func TestMemory(t *testing.T) {
	const long = memorySamples
	for name, test := range map[string]struct {
		samples      int
		kib          func(n int) int64
		judged, flat bool
	}{
		"flat":      {long, func(int) int64 { return 40 << 10 }, true, true},
		"grows":     {long, func(n int) int64 { return int64(n) << 10 }, true, false},
		"fills up":  {long, func(n int) int64 { return min(int64(n), 20) << 10 }, true, true},
		"one peak":  {long, func(n int) int64 { return int64(n/(long-1))<<30 + 1 }, true, true},
		"too short": {20, func(n int) int64 { return int64(n) << 10 }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var m memory
			for n := range test.samples {
				m.add(instance.Memory{Key: "long", KiB: test.kib(n)})
			}
			m.add(instance.Memory{Key: "short", KiB: 1})
			all, most := m.judge()
			if len(all) != 1 || all[0].key != "long" || all[0].judged != test.judged || all[0].flat() != test.flat {
				t.Errorf("%v", all)
			}
			if want := test.kib(test.samples - 1); most < want {
				t.Errorf("the most is %d, not %d", most, want)
			}
		})
	}
}

func TestPrintRow(t *testing.T) {
	var out strings.Builder
	printHead(&out)
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	r := row{name: "api-denied", at: at, took: 31 * time.Second, readyz: 2 * time.Second, log: never, stop: instance.Stop{Took: 1500 * time.Millisecond}}
	r.print(&out)
	r.fail("not named: %s", "ready")
	r.print(&out)
	want := `at       outage                 lasted  /readyz      log  resumed     stop  
04:05:06 api-denied              31.0s     2.0s    never        -     1.5s  ok
04:05:06 api-denied              31.0s     2.0s    never        -     1.5s  FAILED
    not named: ready
`
	if out.String() != want {
		t.Errorf("prints\n%s", out.String())
	}
}

// The endpoint gives each process keys of its own, and fails when it is told to.
func TestCredentials(t *testing.T) {
	c, err := openCredentials()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	ask := func() (int, map[string]string) {
		answer, err := http.Get("http://" + c.addr + "/" + instance.KeyOf(1, 2))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		keys := map[string]string{}
		if answer.StatusCode == http.StatusOK {
			if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil {
				t.Error(err)
			}
		}
		return answer.StatusCode, keys
	}
	if code, keys := ask(); code != http.StatusOK || keys["AccessKeyId"] != instance.KeyOf(1, 2) || keys["Expiration"] == "" {
		t.Errorf("%d: %v", code, keys)
	}
	given := c.expires()
	c.fail(true)
	if code, _ := ask(); code != http.StatusInternalServerError || c.expires() != given {
		t.Errorf("a failing endpoint answers with %d", code)
	}
}

func TestFollower(t *testing.T) {
	f := &follower{seen: map[published]time.Time{}}
	note := func(session, change string) {
		f.note(&kgo.Record{Key: []byte(session), Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte("farmwire.session." + change + ".v1")}}})
	}
	note("a", "discovered")
	note("a", "updating")
	note("b", "started")
	note("b", "ended")
	if n := f.missing([]published{{"a", false}, {"a", true}, {"b", false}, {"b", true}, {"c", false}}); n != 2 || f.count() != 4 {
		t.Errorf("%d changes are missing, and %d events were counted", n, f.count())
	}
}

// A short outage on Apache Kafka; the program takes everything away for an hour.
func TestOutage(t *testing.T) {
	if os.Getenv(kafkatest.Variable) != "apache" {
		t.Skip("needs brokers: run with " + kafkatest.Variable + "=apache (Java 17 and Maven; nothing is installed)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var output bytes.Buffer
	c := &outagesCmd{Brokers: 1, Partitions: 2, Workers: 40, Speed: 30, Seed: 1, Duration: time.Hour, Outage: []string{"api-errors"}}
	good, err := c.run(ctx, &output, t.TempDir())
	t.Log(output.String())
	if err != nil || !good {
		t.Errorf("good: %t, %v", good, err)
	}
}

// The records of topics that were deleted come first, and the offsets rise.
func TestJoinEnded(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	before := []string{write("ended-0.txt", "CreateTime:1\tPartition:0\tOffset:7\th\tk\tv\n")}
	write("ended.txt", "CreateTime:2\tPartition:0\tOffset:0\th\tk\tOffset:1\n")
	if err := joinEnded(dir, before); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "ended.txt"))
	want := "CreateTime:1\tPartition:0\tOffset:7\th\tk\tv\nCreateTime:2\tPartition:0\tOffset:1099511627776\th\tk\tOffset:1\n"
	if err != nil || string(text) != want {
		t.Errorf("%v\n%s", err, text)
	}
}

// A campaign that looked at nobody, missed stops, or judged no memory is not good.
func TestNothingIsNotGood(t *testing.T) {
	if all(nil, func(*instance.Instance) bool { return true }) {
		t.Error("something is true of no instance")
	}
	stops := []instance.Stop{{Key: "a", Took: time.Second}, {Key: "b", Took: 2 * time.Second}}
	slow := append(stops[:1:1], instance.Stop{Key: "b", Took: stopWithin + 1})
	failed := append(stops[:1:1], instance.Stop{Key: "b", Code: 1})
	for name, good := range map[string]bool{
		"two stops":    printStops(io.Discard, stops, 2),
		"one too few":  !printStops(io.Discard, stops, 3),
		"none":         !printStops(io.Discard, nil, 1),
		"slow":         !printStops(io.Discard, slow, 2),
		"failed":       !printStops(io.Discard, failed, 2),
		"flat":         printMemory(io.Discard, []footprint{{judged: true, second: 4, last: 5}, {second: 1, last: 9}}, true),
		"grows":        !printMemory(io.Discard, []footprint{{judged: true, second: 4, last: 6}}, true),
		"short":        printMemory(io.Discard, []footprint{{second: 1, last: 9}}, false),
		"none is long": !printMemory(io.Discard, []footprint{{second: 1, last: 1}}, true),
	} {
		if !good {
			t.Errorf("%s: judged wrongly", name)
		}
	}
	o := &outages{testbed: &testbed{}, out: io.Discard, follower: &follower{}}
	if good, err := o.summary(); good || err != nil {
		t.Errorf("without an outage: %t, %v", good, err)
	}
	o.rows = []row{{name: "one"}}
	if good, err := o.summary(); good || err != nil {
		t.Errorf("without a stop: %t, %v", good, err)
	}
	if err := silenceNothing(t); err == nil {
		t.Error("nothing can fall silent, and that is no error")
	}
}

func silenceNothing(t *testing.T) error {
	p, err := proxy.Open("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	giveBack, silent := silence(p)
	if err := giveBack(t.Context()); err != nil {
		t.Error(err)
	}
	return silent
}

// A stop that was not seen fails its outage.
func TestStopThatIsNotSeen(t *testing.T) {
	i, err := instance.Start(instance.Config{Binary: "/nonexistent", LogFile: filepath.Join(t.TempDir(), "log"), Shards: instance.NewShards()})
	if err != nil {
		t.Fatal(err)
	}
	<-i.Done()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nobody waits
	o := &outages{testbed: &testbed{instances: []*instance.Instance{i, i}}}
	var r row
	if o.restart(ctx, outage{}, &r); len(r.problems) != 1 {
		t.Errorf("%v", r.problems)
	}
}

// The log of the second round is full only when more lines were dropped than in the first.
func TestGrown(t *testing.T) {
	dropped := 7.0
	i := &instance.Instance{}
	is := grown(func(*instance.Instance) float64 { return dropped }, []*instance.Instance{i})
	if is(i) {
		t.Error("it has grown already")
	}
	dropped++
	if !is(i) {
		t.Error("it has not grown")
	}
}
