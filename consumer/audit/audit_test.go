package audit

import (
	"testing"

	"golang.org/x/mod/sumdb/note"

	"farmwire/consumer"
	"farmwire/consumer/audit/audittest"
)

// Nothing is found on topics as Farmwire writes them.
func TestClean(t *testing.T) { onBrokers(t, testClean) }

func testClean(t *testing.T, start func(testing.TB) consumer.Config) {
	signer, verifier := keyPair(t, "farmwire")
	for _, partitions := range []int{1, 3, 5} {
		w := audittest.NewWorld(partitions, signer).Live(12)
		report := run(t, start, w.Topics, Config{Keys: []note.Verifier{verifier}, EverySignature: true})
		for _, f := range report.Findings {
			t.Errorf("%d partitions: %+v", partitions, f)
		}
		var events, verified uint64
		for _, s := range report.Shards {
			events += s.Events
			verified += s.VerifiedTo
			if s.VerifiedFrom != 0 || s.VerifiedTo != s.Events || !s.Signed || s.Heartbeat == nil {
				t.Errorf("%+v", s)
			}
		}
		if events != report.Events || events < 100 || verified != events || report.Sessions != uint64(w.Sessions) {
			t.Errorf("%d events, %d in logs, %d verified, %d sessions", report.Events, events, verified, report.Sessions)
		}
		if want := uint64(w.Heartbeats * partitions); report.Notes != want || report.Verified != want {
			t.Errorf("%d of %d signatures verified, want %d", report.Verified, report.Notes, want)
		}
		if len(report.Gaps) != 2 || report.Gaps[0].Closed || report.Gaps[1].Length().Hours() != 1 || len(report.Totals) != 2 {
			t.Errorf("gaps %+v, totals %+v", report.Gaps, report.Totals)
		}
	}
}
