package consumer

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"farmwire/cluster"
	"farmwire/publisher/kafkatest"
)

// Committed records come, whole and with their places, and those of aborted transactions and control records do not.
func TestCommittedRecords(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		w := k.writer("w")
		w.commit(k.written(1, 0))
		w.abort(k.written(2, 0), k.written(3, 1))
		w.commit(k.written(4, 1), k.written(5, 0))
		w.abort(k.written(6, 2)) // the last of its partition

		r := k.open(Beginning())
		records := read(t, r, 3) // fails if it waits for what was aborted at the end of a partition
		for i := range records {
			e, err := records[i].Event()
			if want := example([]int{1, 4, 5}[i]); err != nil || e.Session != want.Session || e.Kind != want.Kind {
				t.Errorf("%+v, %v", e, err)
			}
			records[i].Record.Key, records[i].Value, records[i].Headers = nil, nil, nil
		}
		topic := k.config.EventsTopic()
		want := []Record{
			{Topic: topic, Partition: 0, Offset: 0, Time: noon.Add(1 * time.Second)},
			{Topic: topic, Partition: 1, Offset: 2, Time: noon.Add(4 * time.Second)},
			{Topic: topic, Partition: 0, Offset: 4, Time: noon.Add(5 * time.Second)},
		}
		for i := range records {
			records[i].Time = records[i].Time.UTC()
		}
		if diff := cmp.Diff(want, records); diff != "" {
			t.Errorf("places (-want +got):\n%s", diff)
		}

		// And so it goes on with what comes later.
		w.abort(k.written(7, 0))
		nothing(t, r)
		w.commit(k.written(8, 0))
		if diff := cmp.Diff(examples(8), sessions(read(t, r, 1))); diff != "" {
			t.Errorf("later (-want +got):\n%s", diff)
		}
	})
}

// Now is behind what is committed. What is written but not committed yet comes when it is.
func TestNowDuringATransaction(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		k.writer("done").commit(k.written(1, 0), k.written(2, 1))
		committed, aborted := k.writer("committed"), k.writer("aborted")
		committed.begin(k.written(3, 0))
		aborted.begin(k.written(4, 1))
		k.writer("meanwhile").commit(k.written(5, 0))

		r := k.open(Now())
		nothing(t, r)
		committed.end(kgo.TryCommit)
		aborted.end(kgo.TryAbort)
		if diff := cmp.Diff(examples(3, 5), sessions(read(t, r, 2))); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		nothing(t, r)
	})
}

func TestPositions(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		w := k.writer("w")
		w.commit(k.written(10, 0), k.written(20, 1), k.written(30, 0))
		w.commit(k.written(40, 1))
		second := func(n int) Position { return At(noon.Add(time.Duration(n) * time.Second)) }
		for _, c := range []struct {
			from Position
			want []string
		}{
			{Beginning(), examples(10, 20, 30, 40)},
			{Now(), nil},
			{second(-1), examples(10, 20, 30, 40)},
			{At(time.Unix(0, -1)), examples(10, 20, 30, 40)},
			{second(20), examples(20, 30, 40)},
			{second(21), examples(30, 40)},
			{second(40), examples(40)},
			{second(41), nil},
		} {
			r := k.open(c.from)
			if got := sessions(read(t, r, len(c.want))); !slices.Equal(got, c.want) {
				t.Errorf("from %s: %v, want %v", c.from, got, c.want)
			}
			nothing(t, r)
			r.Close()
		}
	})
}

// Where no record is late enough, one that is written while the offsets are asked for is not left out.
func TestTimeWhileWriting(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(brokers.Close)
	k := newKafka(t, brokers.ListenAddrs())
	w := k.writer("w")
	w.commit(k.written(1, 0))
	late := k.written(2, 0)
	late.Timestamp = time.Now().Add(2 * time.Hour)
	written := false
	brokers.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if asked := request.(*kmsg.ListOffsetsRequest); asked.IsolationLevel == 0 && asked.Topics[0].Partitions[0].Timestamp == -1 && !written {
			written = true
			brokers.SleepControl(func() { w.commit(late) })
		}
		return nil, nil, false
	})
	r := k.open(At(time.Now().Add(time.Hour)))
	if diff := cmp.Diff(examples(2), sessions(read(t, r, 1))); diff != "" || !written {
		t.Errorf("written meanwhile: %t, records (-want +got):\n%s", written, diff)
	}
}

func TestMissingTopic(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		c := k.config
		c.TopicPrefix += "x"
		for _, from := range []Position{Beginning(), Now(), At(noon)} {
			_, err := Open(t.Context(), c, from, k.config.EventsTopic(), c.EndedTopic())
			if kindOf(err) != TopicMissing || err.Error() != "there is no topic "+c.EndedTopic() {
				t.Errorf("from %s: %v", from, err)
			}
		}
	})
}

// A topic that is deleted while it is read is not silence.
func TestDeletedTopic(t *testing.T) {
	t.Parallel()
	onBrokers(t, func(t *testing.T, k *kafka) {
		r := k.open(Beginning())
		nothing(t, r)
		if _, err := k.admin.DeleteTopics(t.Context(), k.config.EventsTopic()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		for range 2 {
			if _, err := r.Read(ctx); kindOf(err) != TopicMissing || !strings.Contains(err.Error(), "was deleted") {
				t.Errorf("reading: %v", err)
			}
		}
		if err := r.Reach(ctx); err == nil {
			t.Error("it can be reached")
		}
	})
}

// Records that are deleted before they are read are not passed over in silence. Those before them come, and nothing behind.
func TestDeletedRecords(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		const all = 100
		w, large := k.writer("w"), make([]byte, 100<<10) // ten of them fill a fetch
		for n := range all {
			w.commit(&kgo.Record{Topic: k.config.EventsTopic(), Key: []byte{byte(n)}, Value: large})
		}
		other := k.written(0, 1) // held back, because it is later
		other.Timestamp = time.Now().Add(time.Minute)
		w.commit(other)
		r := k.open(Beginning())
		records := read(t, r, 1)
		behind := kadm.Offsets{}
		behind.Add(kadm.Offset{Topic: k.config.EventsTopic(), At: 2*all - 10})
		answers, err := k.admin.DeleteRecords(t.Context(), behind)
		if err == nil {
			err = answers.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for err == nil {
			var more []Record
			more, err = r.Read(ctx)
			records = append(records, more...)
		}
		for i, record := range records {
			if want := []byte{byte(i)}; i == len(records)-1 && record.Partition != 1 || i < len(records)-1 && !bytes.Equal(record.Key, want) {
				t.Errorf("record %x of partition %d is at place %d", record.Key, record.Partition, i)
			}
		}
		want := "records of " + k.config.EventsTopic() + "/0 were deleted before they were read"
		if kindOf(err) != RecordsGone || err.Error() != want || len(records) >= all-5 {
			t.Errorf("%v after %d records", err, len(records))
		}
		if _, again := r.Read(ctx); again != err {
			t.Errorf("then %v", again)
		}
	})
}

// While a reader catches up, the records of all partitions come in the order of time, however much there is of each.
func TestOrderWhileCatchingUp(t *testing.T) {
	onBrokers(t, func(t *testing.T, k *kafka) {
		const all = 6000
		large := strings.Repeat("x", 3<<10)
		w := k.writer("w")
		var records []*kgo.Record
		for n := range all {
			record := k.written(n, int32(n%partitions))
			if n%partitions == 0 { // six fetches, and one of each other
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: "more", Value: []byte(large)})
			}
			records = append(records, record)
		}
		w.commit(records...)
		got := read(t, k.open(Beginning()), all)
		if !slices.IsSortedFunc(got, func(a, b Record) int { return a.Time.Compare(b.Time) }) {
			t.Error("the records are not in the order of time")
		}
	})
}

// busy is how much later than promised something may be on a busy machine.
const busy = 10 * time.Second

// Brokers that cannot be reached at the start are an error that says so.
func TestNobodyHome(t *testing.T) {
	const nobody = "127.0.0.1:1" // no program is given this port meanwhile
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for address, want := range map[string]cluster.Kind{nobody: cluster.ConnectionRefused, silent.Addr().String(): cluster.NoAnswer} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c := Config{Cluster: cluster.Config{Brokers: []string{address}}, TopicPrefix: "p"}
			_, err := Open(t.Context(), c, Now(), c.EventsTopic())
			took := time.Since(began)
			t.Logf("%v after %s", err, took)
			if kindOf(err) != want || took > openTimeout+busy {
				t.Errorf("%v after %s", err, took)
			}
		})
	}
}

// Brokers that go away are waited for, and Reach says what is wrong meanwhile.
func TestBrokersAway(t *testing.T) {
	for name, c := range map[string]struct {
		leave func(*kafkatest.Gate)
		want  cluster.Kind
	}{
		"closed": {(*kafkatest.Gate).Close, cluster.ClosedWithoutTLS},
		"frozen": {(*kafkatest.Gate).Freeze, cluster.NoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := kafkatest.NewGate()
			brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.ListenFn(gate.Listen))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { gate.Open(); brokers.Close() })
			k := newKafka(t, brokers.ListenAddrs())
			w, r := k.writer("w"), k.open(Now())
			w.commit(k.written(1, 0))
			read(t, r, 1)
			if err := r.Reach(t.Context()); err != nil {
				t.Errorf("at first: %v", err)
			}
			c.leave(gate)
			nothing(t, r)
			began := time.Now()
			if err := r.Reach(t.Context()); kindOf(err) != c.want || time.Since(began) > cluster.DialTimeout+busy {
				t.Errorf("away: %v after %s", err, time.Since(began))
			}
			gate.Open()
			w.commit(k.written(2, 0))
			if diff := cmp.Diff(examples(2), sessions(read(t, r, 1))); diff != "" {
				t.Errorf("back (-want +got):\n%s", diff)
			}
			if err := r.Reach(t.Context()); err != nil {
				t.Errorf("back: %v", err)
			}
		})
	}
}

// One broker that is away does not hold up what the others have for long, and is not overlooked.
func TestLeaderAway(t *testing.T) {
	t.Parallel()
	gate, listeners := kafkatest.NewGate(), 0
	brokers, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		if listeners++; listeners == 2 {
			return gate.Listen(network, address)
		}
		return net.Listen(network, address)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gate.Open(); brokers.Close() })
	k := newKafka(t, brokers.ListenAddrs())
	for p := range int32(partitions) {
		if err := brokers.MoveTopicPartition(k.config.EventsTopic(), p, p%2); err != nil {
			t.Fatal(err)
		}
	}
	const many = 300
	var records []*kgo.Record
	for n := range many {
		records = append(records, k.written(n, 1))
		records[n].Headers = append(records[n].Headers, kgo.RecordHeader{Key: "more", Value: make([]byte, 10<<10)}) // a hundred fill a fetch
	}
	k.writer("w").commit(append(records, k.written(many, 0), k.written(many+1, 2))...)
	if err := k.open(Beginning()).Reach(t.Context()); err != nil {
		t.Errorf("at first: %v", err)
	}

	frozen := make(chan struct{})
	freeze := sync.OnceFunc(func() { gate.Freeze(); close(frozen) })
	brokers.ControlKey(int16(kmsg.Fetch), func(request kmsg.Request) (kmsg.Response, error, bool) {
		for _, topic := range request.(*kmsg.FetchRequest).Topics {
			for _, p := range topic.Partitions {
				if p.Partition == 1 && p.FetchOffset > 0 { // the second fetch
					freeze()
				}
			}
		}
		return nil, nil, false
	})
	r := k.open(Beginning())
	r.backlog.waits = quietTime
	t.Cleanup(gate.Open) // before the reader is closed
	began := time.Now()
	for last := ""; last != example(many+1).Session.SessionID; {
		got := sessions(read(t, r, 1))
		last = got[len(got)-1]
	}
	if took := time.Since(began); took < quietTime || took > quietTime+busy {
		t.Errorf("the others' records came after %s", took)
	}
	// On a busy machine the others' records may have come before all that the first fetch brought.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for isFrozen := false; !isFrozen; {
		reading, stop := context.WithTimeout(ctx, 100*time.Millisecond)
		_, err := r.Read(reading)
		stop()
		if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Fatalf("the broker was not asked for more: %v", err)
		}
		select {
		case <-frozen:
			isFrozen = true
		default:
		}
	}
	if err := r.Reach(t.Context()); kindOf(err) != cluster.NoAnswer {
		t.Errorf("away: %v", err)
	}
}

// The end of the context ends waiting at once.
func TestEndOfTheContext(t *testing.T) {
	brokers, err := kafkatest.StartFake(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { brokers.Close() })
	r := newKafka(t, brokers.Addrs()).open(Now())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	began := time.Now()
	if _, err := r.Read(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	r.Close()
	if _, err := r.Read(t.Context()); !errors.Is(err, kgo.ErrClientClosed) {
		t.Errorf("closed: %v", err)
	}
}
