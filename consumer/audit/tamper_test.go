package audit

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/mod/sumdb/note"

	"farmwire/consumer"
	"farmwire/consumer/audit/audittest"
	"farmwire/event"
)

// tampered is a copy of topics whose raw records are changed.
type tampered struct {
	audittest.Topics
	t *testing.T
}

// spot is a record of a topic.
type spot struct {
	topic        string
	partition, i int
}

func (x tampered) at(s spot) *kgo.Record { return x.Topics[s.topic][s.partition][s.i] }

func (x tampered) remove(spots ...spot) {
	slices.SortFunc(spots, func(a, b spot) int { return cmp.Or(cmp.Compare(b.partition, a.partition), cmp.Compare(b.i, a.i)) })
	for _, s := range spots {
		x.Topics[s.topic][s.partition] = slices.Delete(x.Topics[s.topic][s.partition], s.i, s.i+1)
	}
}

func (x tampered) insert(s spot, r *kgo.Record) {
	x.Topics[s.topic][s.partition] = slices.Insert(x.Topics[s.topic][s.partition], s.i, r)
}

// all returns the records of a topic for which is reports true.
func (x tampered) all(suffix string, is func(*kgo.Record) bool) (spots []spot) {
	topic := prefix + suffix
	for p, records := range x.Topics[topic] {
		for i, r := range records {
			if is(r) {
				spots = append(spots, spot{topic, p, i})
			}
		}
	}
	if len(spots) == 0 {
		x.t.Fatalf("%s has no such record", topic)
	}
	return spots
}

func headerOf(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

func setHeader(r *kgo.Record, name, value string) {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			r.Headers[i].Value = []byte(value)
		}
	}
}

// session returns the events of a session, in their order.
func (x tampered) session(id string) []spot {
	return x.all(event.EventsSuffix, func(r *kgo.Record) bool { return string(r.Key) == id })
}

// shard returns the events of a shard, in the order of their indexes.
func (x tampered) shard(shard int) []spot {
	spots := x.all(event.EventsSuffix, func(r *kgo.Record) bool { return headerOf(r, "ce_shard") == strconv.Itoa(shard) })
	slices.SortFunc(spots, func(a, b spot) int { return cmp.Compare(indexOf(x.at(a)), indexOf(x.at(b))) })
	return spots
}

func indexOf(r *kgo.Record) uint64 {
	n, err := strconv.ParseUint(headerOf(r, "ce_logindex"), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// stored returns the newest record of the state topic with a key, in a partition.
func (x tampered) stored(partition int, key string) spot {
	spots := x.all(event.StateSuffix, func(r *kgo.Record) bool { return string(r.Key) == key })
	spots = slices.DeleteFunc(spots, func(s spot) bool { return s.partition != partition })
	return spots[len(spots)-1]
}

func (x tampered) replace(s spot, old, new string) {
	r := x.at(s)
	if !bytes.Contains(r.Value, []byte(old)) {
		x.t.Fatalf("%s has no %s", r.Value, old)
	}
	r.Value = bytes.Replace(r.Value, []byte(old), []byte(new), 1)
}

// copied returns the copy of an event in the ended topic.
func (x tampered) copied(s spot) spot {
	id := headerOf(x.at(s), "ce_id")
	return x.all(event.EndedSuffix, func(r *kgo.Record) bool { return headerOf(r, "ce_id") == id })[0]
}

// swapCopies swaps two records in a partition of the ended topic: two of one shard, or neighbours of two shards.
func (x tampered) swapCopies(ofOne bool) {
	for _, all := range x.Topics[prefix+event.EndedSuffix] {
		for i := range all {
			for j := range all[:i] {
				if isOne := headerOf(all[i], "ce_shard") == headerOf(all[j], "ce_shard"); isOne == ofOne && (ofOne || j == i-1) {
					all[i], all[j] = all[j], all[i]
					return
				}
			}
		}
	}
	x.t.Fatal("there are no such copies")
}

// rechain computes all chains anew, and signs the checkpoints by the signers. Without signers it keeps the old signatures.
func (x tampered) rechain(signers ...note.Signer) {
	for shard := range len(x.Topics[prefix+event.StateSuffix]) {
		heads := []event.Chain{{}}
		for _, s := range x.shard(shard) {
			chain := heads[len(heads)-1]
			chain.Add(event.Digest(convert(x.at(s), nil)))
			heads = append(heads, chain)
		}
		var chain event.Chain
		for i, r := range x.Topics[prefix+event.CoverageSuffix][shard] {
			c, err := event.DecodeCoverage(r.Key, r.Value, convert(r, nil).Headers)
			if err != nil {
				x.t.Fatal(err)
			}
			env := event.CoverageEnvelope{Region: c.Region, StateTopic: c.StateTopic, Shard: shard, Time: c.Time, Recorded: c.RecordedTime,
				CoverageLog: chain, Instance: c.Instance, Checkpoint: c.Checkpoint}
			if c.Heartbeat != nil {
				env.Log = heads[min(c.Log.Size, uint64(len(heads)-1))]
				n := &note.Note{Text: event.Checkpoint{Origin: event.Origin(c.Region, c.StateTopic, shard), Log: env.Log, Coverage: chain}.Text()}
				if len(signers) > 0 {
					signed, err := note.Sign(n, signers...)
					if err != nil {
						x.t.Fatal(err)
					}
					env.Checkpoint = string(signed)
				} else if c.Checkpoint != "" {
					_, signatures, _ := strings.Cut(c.Checkpoint, "\n\n")
					env.Checkpoint = n.Text + "\n" + signatures
				}
			}
			encoded := event.EncodeCoverage(c.Record, env)
			chain.Add(event.Digest(encoded))
			r.Value = encoded.Value
			x.Topics[prefix+event.CoverageSuffix][shard][i] = r
		}
		x.at(x.stored(shard, event.LogKey)).Value = event.AppendLog(nil, heads[len(heads)-1])
		state := x.at(x.stored(shard, event.CoverageKey))
		decoded, err := event.DecodeState(state.Key, state.Value)
		if err != nil {
			x.t.Fatal(err)
		}
		decoded.Coverage.Log = chain
		state.Value = event.AppendCoverageState(nil, *decoded.Coverage)
	}
}

// forge changes which queue an event names, in the ended topic too.
func (x tampered) forge(s spot) {
	if headerOf(x.at(s), "ce_type") == "farmwire.session.ended.v1" {
		x.replace(x.copied(s), "queue-1", "queue-2")
	}
	x.replace(s, "queue-1", "queue-2")
}

// An audit finds whatever was done to the topics.
func TestTampered(t *testing.T) { onBrokers(t, testTampered) }

func testTampered(t *testing.T, start func(testing.TB) consumer.Config) {
	signer, verifier := keyPair(t, "farmwire")
	thief, _ := keyPair(t, "farmwire")
	w := audittest.NewWorld(3, signer).Live(12)
	source := start(t)
	write(t, source, w.Topics)
	original := readTopics(t, source)
	anchors := newestCheckpoints(t, source)

	const whole = "session-00000000000000000000000000000005"      // which has ended
	open := fmt.Sprintf("session-%032x", w.Sessions)              // with two events
	ended := func(x tampered) spot { return x.session(whole)[2] } // its ended event
	middle := func(x tampered, shard int) spot { s := x.shard(shard); return s[len(s)/2] }
	last := func(x tampered, shard int) spot { s := x.shard(shard); return s[len(s)-1] }
	cover := func(i int) spot { return spot{prefix + event.CoverageSuffix, 0, i} }
	covers := len(original[prefix+event.CoverageSuffix][0])
	workerShard := func(x tampered, s spot) int { n, _ := strconv.Atoi(headerOf(x.at(s), "ce_shard")); return n }

	for _, c := range []struct {
		name string
		do   func(x tampered)
		want []Kind // all that are found
	}{
		{"byte of an event", func(x tampered) { x.replace(middle(x, 0), "queue-1", "queue-2") }, []Kind{ChainDiffers}},
		{"byte of the first event", func(x tampered) { x.replace(x.shard(1)[0], "queue-1", "queue-2") }, []Kind{ChainDiffers}},
		{"byte of the last event", func(x tampered) { x.replace(last(x, workerShard(x, x.session(open)[1])), "queue-1", "queue-2") }, []Kind{ChainDiffers, StateWrong}},
		{"byte of a key", func(x tampered) { x.at(middle(x, 0)).Key[9] ^= 1 }, []Kind{ChainDiffers, Malformed, SequenceMissing}},
		{"syntax of a value", func(x tampered) { x.at(middle(x, 0)).Value[0] = '[' }, []Kind{ChainDiffers, Malformed, SequenceMissing}},
		{"header", func(x tampered) {
			setHeader(x.at(middle(x, 0)), "ce_source", "/deadline/eu-west-2/farm-1/fleet-1/worker-1")
		}, []Kind{ChainDiffers, Malformed, SequenceMissing}},
		{"name of a header", func(x tampered) { x.at(middle(x, 0)).Headers[5].Key = "ce_Time" }, []Kind{ChainDiffers, Malformed, SequenceMissing}},
		{"new header", func(x tampered) {
			r := x.at(middle(x, 0))
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: "traceparent"})
		}, []Kind{ChainDiffers}},
		{"order of headers", func(x tampered) { h := x.at(middle(x, 0)).Headers; h[0], h[1] = h[1], h[0] }, []Kind{ChainDiffers}},
		{"time of a record", func(x tampered) { r := x.at(middle(x, 0)); r.Timestamp = r.Timestamp.Add(time.Hour) }, []Kind{Malformed}},
		{"type of a newer version", func(x tampered) { setHeader(x.at(middle(x, 0)), "ce_type", "farmwire.session.started.v2") }, []Kind{ChainDiffers, SequenceMissing, Unknown}},

		{"first event of a session", func(x tampered) { x.remove(x.session(whole)[0]) }, []Kind{EventMissing, SequenceMissing}},
		{"middle event of a session", func(x tampered) { x.remove(x.session(whole)[1]) }, []Kind{EventMissing, SequenceMissing}},
		{"last event of a session", func(x tampered) { x.remove(ended(x)) }, []Kind{CopyWrong, EventMissing, StateMissing}},
		{"last event of a session and its copy", func(x tampered) { x.remove(x.copied(ended(x))); x.remove(ended(x)) }, []Kind{EventMissing, StateMissing}},
		{"first event of a shard", func(x tampered) { x.remove(x.shard(0)[0]) }, []Kind{EventMissing, SequenceMissing}},
		{"middle event of a shard", func(x tampered) { x.remove(middle(x, 0)) }, []Kind{EventMissing, SequenceMissing}},
		{"last event of a shard", func(x tampered) { x.remove(last(x, 0)) }, []Kind{EventMissing, StateInvented}},
		{"whole session", func(x tampered) {
			x.remove(x.copied(ended(x)))
			x.remove(x.session(whole)...)
			x.remove(x.all(event.StateSuffix, func(r *kgo.Record) bool { return string(r.Key) == whole })...)
		}, []Kind{EventMissing}},
		{"invented session", func(x tampered) {
			for _, s := range x.session(open) {
				r := *x.at(s)
				r.Key, r.Headers = bytes.Clone(r.Key), slices.Clone(r.Headers)
				shard := workerShard(x, s)
				invent(&r, "session-000000000000000000000000000000ff", indexOf(x.at(last(x, shard)))+1)
				at := w.PartitionOf(string(r.Key))
				x.insert(spot{s.topic, at, len(x.Topics[s.topic][at])}, &r)
			}
		}, []Kind{EventBeyond}},
		{"invented session without index", func(x tampered) {
			for _, s := range x.session(open) {
				r := *x.at(s)
				r.Key, r.Headers = bytes.Clone(r.Key), slices.Clone(r.Headers)
				invent(&r, "session-000000000000000000000000000000ff", 0)
				r.Headers = slices.DeleteFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == "ce_shard" || h.Key == "ce_logindex" })
				at := w.PartitionOf(string(r.Key))
				x.insert(spot{s.topic, at, len(x.Topics[s.topic][at])}, &r)
			}
		}, []Kind{EventUnlogged, StateMissing}},
		{"invented session with a far index", func(x tampered) {
			r := *x.at(x.session(open)[0])
			r.Headers = slices.Clone(r.Headers)
			invent(&r, "session-000000000000000000000000000000ff", 1<<62)
			at := w.PartitionOf(string(r.Key))
			x.insert(spot{prefix + event.EventsSuffix, at, len(x.Topics[prefix+event.EventsSuffix][at])}, &r)
		}, []Kind{EventBeyond}},

		{"two events of a session swapped", func(x tampered) {
			s := x.session(whole)
			a, b := x.at(s[0]), x.at(s[1])
			*a, *b = *b, *a
		}, []Kind{OrderWrong, SequenceMissing, SequenceTwice}},
		{"two events of different sessions swapped", func(x tampered) {
			s := slices.DeleteFunc(x.shard(0), func(s spot) bool { return s.partition != 0 })
			a := s[len(s)/2]
			b := s[slices.IndexFunc(s, func(b spot) bool { return b.i > a.i && string(x.at(b).Key) != string(x.at(a).Key) })]
			ra, rb := x.at(a), x.at(b)
			*ra, *rb = *rb, *ra
		}, []Kind{OrderWrong}},
		{"two events with their indexes swapped", func(x tampered) {
			s := x.shard(0)
			a, b := x.at(s[3]), x.at(s[4])
			setHeader(a, "ce_logindex", "4")
			setHeader(b, "ce_logindex", "3")
		}, []Kind{ChainDiffers}},
		{"duplicate", func(x tampered) { s := ended(x); x.insert(s, x.at(s)) }, []Kind{IndexTwice, SequenceTwice}},
		{"event after the end", func(x tampered) {
			r := *x.at(ended(x))
			r.Headers = slices.Clone(r.Headers)
			setHeader(&r, "ce_id", whole+".000004")
			setHeader(&r, "ce_sequence", "000004")
			r.Value = bytes.Replace(r.Value, []byte(`"sequence":3`), []byte(`"sequence":4`), 1)
			p := ended(x).partition
			x.insert(spot{prefix + event.EventsSuffix, p, len(x.Topics[prefix+event.EventsSuffix][p])}, &r)
		}, []Kind{AfterEnd, IndexTwice}},
		{"event in another partition", func(x tampered) {
			s := x.session(open)[1]
			r := x.at(s)
			x.remove(s)
			p := (s.partition + 1) % 3
			x.insert(spot{s.topic, p, len(x.Topics[s.topic][p])}, r)
		}, []Kind{SequenceMissing, StateMissing, WrongPartition}},
		{"other previous state", func(x tampered) {
			x.replace(ended(x), `"previous":{"lifecycleStatus":"STARTED"`, `"previous":{"lifecycleStatus":"UPDATED"`)
		}, []Kind{ChainDiffers, CopyMissing, CopyWrong, PreviousDiffers}},

		{"forged with a recomputed chain", func(x tampered) { x.forge(middle(x, 0)); x.rechain() }, []Kind{SignatureInvalid}},
		{"forged and signed by another key of that name", func(x tampered) { x.forge(middle(x, 0)); x.rechain(thief) }, []Kind{SignatureInvalid}},
		{"forged and not signed", func(x tampered) {
			x.forge(middle(x, 0))
			for _, s := range x.all(event.CoverageSuffix, func(r *kgo.Record) bool { return headerOf(r, "ce_type") == "farmwire.coverage.heartbeat.v1" }) {
				r := x.at(s)
				at := bytes.Index(r.Value, []byte(`"checkpoint":`))
				r.Value = append(r.Value[:at:at], `"checkpoint":null}`...)
			}
			x.rechain()
		}, []Kind{SignatureInvalid}},
		{"rewritten with the stolen key", func(x tampered) { x.forge(middle(x, 0)); x.rechain(signer) }, []Kind{AnchorDiffers}},
		{"cut with the stolen key", func(x tampered) {
			s := x.Topics[prefix+event.CoverageSuffix][0]
			x.Topics[prefix+event.CoverageSuffix][0] = s[:len(s)-2]
			x.rechain(signer)
		}, []Kind{AnchorDiffers}},
		{"checkpoint of another heartbeat", func(x tampered) {
			s := x.Topics[prefix+event.CoverageSuffix][0]
			a, b := s[covers-2], s[covers-1]
			from := func(v []byte) int { return bytes.Index(v, []byte(`"checkpoint":`)) }
			b.Value = append(b.Value[:from(b.Value):from(b.Value)], a.Value[from(a.Value):]...)
		}, []Kind{CheckpointWrong, CoverageDiffers}},

		{"missing state of an open session", func(x tampered) {
			x.remove(x.all(event.StateSuffix, func(r *kgo.Record) bool { return string(r.Key) == open })...)
		}, []Kind{StateMissing}},
		{"older state of an open session", func(x tampered) { x.remove(x.stored(workerShard(x, x.session(open)[0]), open)) }, []Kind{StateWrong}},
		{"changed state of an open session", func(x tampered) { x.replace(x.stored(workerShard(x, x.session(open)[0]), open), "job-1", "job-2") }, []Kind{StateWrong}},
		{"ended session is stored as open", func(x tampered) { x.remove(x.stored(workerShard(x, ended(x)), whole)) }, []Kind{StateInvented}},
		{"invented state", func(x tampered) {
			s := x.stored(workerShard(x, x.session(open)[0]), open)
			r := *x.at(s)
			r.Key = []byte("session-other")
			r.Value = bytes.Replace(r.Value, []byte(open), r.Key, 1)
			x.insert(s, &r)
		}, []Kind{StateInvented}},
		{"chain is not stored", func(x tampered) {
			x.remove(x.all(event.StateSuffix, func(r *kgo.Record) bool { return string(r.Key) == event.LogKey })...)
		}, []Kind{StateInvented, LogStateWrong}},
		{"older chain is stored", func(x tampered) { x.remove(x.stored(0, event.LogKey)) }, []Kind{EventBeyond, StateInvented}},
		{"coverage is not stored", func(x tampered) {
			x.remove(x.all(event.StateSuffix, func(r *kgo.Record) bool { return string(r.Key) == event.CoverageKey })...)
		}, []Kind{LogStateWrong}},

		{"no copy", func(x tampered) { x.remove(x.copied(ended(x))) }, []Kind{CopyMissing}},
		{"changed copy", func(x tampered) { x.replace(x.copied(ended(x)), "queue-1", "queue-2") }, []Kind{CopyMissing, CopyWrong}},
		{"two copies", func(x tampered) { s := x.copied(ended(x)); x.insert(s, x.at(s)) }, []Kind{CopyWrong}},
		{"swapped copies of a shard", func(x tampered) { x.swapCopies(true) }, []Kind{CopyWrong}},
		{"copies of two shards in another order", func(x tampered) { x.swapCopies(false) }, nil}, // their transactions may be at the same time
		{"copy of a start", func(x tampered) {
			s := x.session(whole)[0]
			x.insert(spot{prefix + event.EndedSuffix, s.partition, 0}, x.at(s))
		}, []Kind{CopyWrong}},

		{"watermark", func(x tampered) { x.replace(cover(covers/2), `"workers":7`, `"workers":6`) }, []Kind{CoverageDiffers}},
		{"watermark of the newest heartbeat", func(x tampered) { x.replace(cover(covers-1), `"workers":7`, `"workers":6`) }, []Kind{CoverageDiffers}},
		{"first coverage record", func(x tampered) { x.remove(cover(0)) }, []Kind{CoverageMissing}},
		{"middle coverage record", func(x tampered) { x.remove(cover(covers / 2)) }, []Kind{CoverageMissing}},
		{"last coverage record", func(x tampered) { x.remove(cover(covers - 1)) }, []Kind{CoverageMissing}},
		{"all coverage records of a shard", func(x tampered) { x.Topics[prefix+event.CoverageSuffix][0] = nil }, []Kind{Recreated}},
		{"coverage record twice", func(x tampered) { x.insert(cover(3), x.at(cover(3))) }, []Kind{CoverageTwice}},
		{"coverage records swapped", func(x tampered) { a, b := x.at(cover(3)), x.at(cover(4)); *a, *b = *b, *a }, []Kind{CoverageMissing, CoverageTwice}},
		{"coverage record of another shard", func(x tampered) { x.insert(cover(3), x.Topics[prefix+event.CoverageSuffix][1][3]) }, []Kind{WrongPartition}},

		{"recreated events topic", func(x tampered) {
			for p := range x.Topics[prefix+event.EventsSuffix] {
				x.Topics[prefix+event.EventsSuffix][p] = nil
			}
		}, []Kind{CopyWrong, StateInvented, Recreated}},
		{"all topics but the state recreated", func(x tampered) {
			for _, suffix := range []string{event.EventsSuffix, event.EndedSuffix, event.CoverageSuffix} {
				for p := range x.Topics[prefix+suffix] {
					x.Topics[prefix+suffix][p] = nil
				}
			}
		}, []Kind{StateInvented, Recreated}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := tampered{original.Clone(), t}
			c.do(x)
			config := Config{Keys: []note.Verifier{verifier}}
			if slices.Contains(c.want, AnchorDiffers) {
				config.Anchors = anchors
			}
			report := run(t, start, x.Topics, config)
			got := slices.Sorted(maps.Keys(report.Counts))
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("found %q, want %q", got, c.want)
				for _, f := range report.Findings {
					t.Logf("%+v", f)
				}
			}
		})
	}
}

// invent makes a record one of another session, in the same shard.
func invent(r *kgo.Record, id string, index uint64) {
	old := string(r.Key)
	r.Key = []byte(id)
	r.Value = bytes.ReplaceAll(r.Value, []byte(old), r.Key)
	for _, name := range []string{"ce_id", "ce_subject", "ce_partitionkey"} {
		setHeader(r, name, strings.Replace(headerOf(r, name), old, id, 1))
	}
	setHeader(r, "ce_logindex", strconv.FormatUint(index, 10))
}
