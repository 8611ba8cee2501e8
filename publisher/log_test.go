package publisher

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/mod/sumdb/note"

	"farmwire/coverage"
	"farmwire/diff"
	"farmwire/event"
)

// logOf reads all events of a shard, in the order of their indexes, and returns the chain that they form.
func logOf(t *testing.T, c Config, shard int) event.Chain {
	t.Helper()
	digests := make(map[uint64][32]byte)
	for _, r := range consume(t, c, c.EventsTopic()) {
		headers := headersOf(r)
		e, err := event.Decode(r.Key, r.Value, headers)
		switch _, twice := digests[e.LogIndex]; {
		case err != nil:
			t.Fatal(err)
		case !e.Logged:
			t.Fatalf("the event %s has no index", e.ID)
		case e.Shard != shard:
		case twice:
			t.Fatalf("two events have the index %d", e.LogIndex)
		default:
			digests[e.LogIndex] = event.Digest(event.Record{Key: r.Key, Value: r.Value, Headers: headers})
		}
	}
	var chain event.Chain
	for index := range uint64(len(digests)) {
		digest, ok := digests[index]
		if !ok {
			t.Fatalf("no event has the index %d of %d", index, len(digests))
		}
		chain.Add(digest)
	}
	return chain
}

// The committed log has no holes and no index twice, and the next owner goes on with it, also after transactions that were
// aborted or whose outcome was not known.
func TestLogGoesOn(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		c := testConfig(t, addrs)
		p := testOpen(t, c)
		s := acquire(t, p, 1)
		for n := range 20 {
			changes := []diff.Changes{changesOf(started(session(1, 3*n)), started(session(1, 3*n+1))), changesOf(started(session(2, 3*n)))}
			if n%5 == 3 { // The broker refuses this transaction, and it is aborted.
				s.producer.sequences[s.encoder.to[stateTopic][0].topicPartition] += 3
			}
			err := s.Publish(t.Context(), changes)
			if n%5 == 3 && err == nil {
				t.Fatal("a transaction with wrong sequences was committed")
			}
			if err != nil || n%7 == 6 {
				s = acquire(t, p, 1)
			}
			if want := logOf(t, c, 1); s.encoder.log != want {
				t.Fatalf("after transaction %d the log of the shard is %d, %s, and the committed one %d, %s", n, s.encoder.log.Size,
					s.encoder.log.HeadText(), want.Size, want.HeadText())
			}
		}
		if want := uint64(16 * 3); s.encoder.log.Size != want {
			t.Errorf("the log has %d events, want %d", s.encoder.log.Size, want)
		}
	})
}

// Coverage records have numbers without holes, a chain of their own, and heartbeats with the log that is committed before
// them, signed.
func TestPublishCoverage(t *testing.T) {
	onBrokers(t, func(t *testing.T, addrs []string) {
		private, public, err := note.GenerateKey(rand.Reader, "test")
		if err != nil {
			t.Fatal(err)
		}
		signer, err := note.NewSigner(private)
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := note.NewVerifier(public)
		if err != nil {
			t.Fatal(err)
		}
		c := testConfig(t, addrs)
		c.Instance, c.Signers = "instance-1", []note.Signer{signer}
		p := testOpen(t, c)
		s := acquire(t, p, 2)
		if s.Coverage() != nil {
			t.Errorf("a new shard has the coverage %+v", s.Coverage())
		}
		beat := coverage.Record{Heartbeat: &coverage.Heartbeat{Watermark: coverage.Watermark{Changes: epoch}, Workers: 3}}
		gap := coverage.Record{Gap: &coverage.Gap{Number: 1, Reason: coverage.Denied, Affects: coverage.Affects{Starts: true}, From: epoch}}
		state := coverage.State{
			Alive: epoch, Watermark: coverage.Watermark{Changes: epoch}, Gaps: []coverage.Gap{*gap.Gap}, NextGap: 2,
			Workers: []diff.WorkerKey{session(1, 1).WorkerKey},
		}
		var logs []event.Chain // of the heartbeats
		for n := range 6 {
			if err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, n)))}); err != nil {
				t.Fatal(err)
			}
			records := []coverage.Record{beat}
			if n == 0 {
				records = []coverage.Record{gap, beat}
			}
			logs = append(logs, s.encoder.log)
			if n%3 == 2 {
				s.producer.sequences[s.encoder.to[coverageTopic][0].topicPartition] += 3
				if err := s.PublishCoverage(t.Context(), Coverage{Time: epoch, Records: records, State: coverage.State{NextGap: 99}}); err == nil {
					t.Fatal("a transaction with wrong sequences was committed")
				}
				s = acquire(t, p, 2)
			}
			if err := s.PublishCoverage(t.Context(), Coverage{Time: epoch, Records: records, State: state}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(&state, acquire(t, p, 2).Coverage()); diff != "" {
			t.Errorf("the coverage after the restore (-published +restored):\n%s", diff)
		}

		var chain event.Chain
		for n, r := range consume(t, c, c.CoverageTopic()) {
			got, err := event.DecodeCoverage(r.Key, r.Value, headersOf(r))
			if err != nil {
				t.Fatal(err)
			}
			if got.Number != uint64(n)+1 || int(r.Partition) != 2 || got.Shard != 2 {
				t.Errorf("the record %d in partition %d is %s", n, r.Partition, got.ID)
			}
			if got.Heartbeat != nil {
				if got.Log != logs[0] || got.CoverageLog != chain || got.Instance != "instance-1" {
					t.Errorf("%s has the logs %d and %d, want %d and %d", got.ID, got.Log.Size, got.CoverageLog.Size, logs[0].Size, chain.Size)
				}
				logs = logs[1:]
				signed, err := note.Open([]byte(got.Checkpoint), note.VerifierList(verifier))
				if err != nil {
					t.Fatalf("the checkpoint of %s: %v", got.ID, err)
				}
				want := event.Checkpoint{Origin: "farmwire/" + c.Region + "/" + c.StateTopic() + "/2", Log: got.Log, Coverage: got.CoverageLog}
				if checkpoint, err := event.ParseCheckpoint(signed.Text); err != nil || checkpoint != want {
					t.Errorf("the checkpoint of %s is %+v, %v", got.ID, checkpoint, err)
				}
			}
			chain.Add(event.Digest(event.Record{Key: r.Key, Value: r.Value, Headers: headersOf(r)}))
		}
		if len(logs) != 0 || chain.Size != 7 {
			t.Errorf("%d coverage records, and %d heartbeats are missing", chain.Size, len(logs))
		}
	})
}

// A version that has no log must not take over a shard whose events have indexes. It refuses a shard with a record that it does
// not know, so the first transaction of this version writes one.
func TestOlderVersionsRefuseAShardWithALog(t *testing.T) {
	c := testConfig(t, fakeCluster(t, 1).Addrs())
	p := testOpen(t, c)
	s := acquire(t, p, 0)
	watch := s.Watch()
	if err := s.PublishCoverage(t.Context(), Coverage{Watch: &watch}); err != nil {
		t.Fatal(err)
	}
	keys := []string{}
	for _, r := range consume(t, c, c.StateTopic()) {
		if r.Partition == 0 {
			keys = append(keys, string(r.Key))
		}
	}
	if !slices.Contains(keys, event.LogKey) {
		t.Errorf("the first transaction has written only %q", keys)
	}
}

// A shard learns that its partition of the coverage topic has no leader, and publishes events all the same.
func TestCoverageWithoutLeader(t *testing.T) {
	cluster := fakeCluster(t, 1)
	c := testConfig(t, cluster.Addrs())
	p := testOpen(t, c)
	s := acquire(t, p, 0)
	if name, err := s.CoverageWithoutLeader(t.Context()); name != "" || err != nil {
		t.Errorf("%q has no leader, %v", name, err)
	}
	cluster.Fake().ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.Fake().KeepControl()
		m := strange(r, 0, testPartitions).(*kmsg.MetadataResponse)
		m.Brokers = []kmsg.MetadataResponseBroker{fakeBroker(t, cluster)}
		for _, topic := range m.Topics {
			for i := range topic.Partitions {
				if *topic.Topic != c.CoverageTopic() {
					topic.Partitions[i].Leader, topic.Partitions[i].ErrorCode = 0, 0
				}
			}
		}
		return m, nil, true
	})
	until(t, 20*time.Second, "the partition has no leader", func() bool {
		name, err := s.CoverageWithoutLeader(t.Context())
		return err == nil && name == c.CoverageTopic()+"-0"
	})
	if err := s.Publish(t.Context(), []diff.Changes{changesOf(started(session(1, 1)))}); err != nil {
		t.Error(err)
	}
}

func headersOf(r *kgo.Record) []event.Header {
	headers := make([]event.Header, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = event.Header{Key: h.Key, Value: h.Value}
	}
	return headers
}
