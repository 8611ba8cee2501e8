package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"farmwire/consumer/audit"
	"farmwire/coverage"
)

const (
	auditWidth    = 80 // characters of a line
	mostFindings  = 20 // that are printed
	mostAuditGaps = 20
)

// writeAudit writes a report for people.
func writeAudit(out io.Writer, c audit.Config, r *audit.Report) error {
	var b bytes.Buffer
	paragraph(&b, fmt.Sprintf("%s: %d events of %d sessions, %d copies, %d state records, %d coverage records",
		c.Consumer.TopicPrefix, r.Events, r.Sessions, r.Ended, r.States, r.Coverage))
	if r.Unlogged > 0 {
		paragraph(&b, fmt.Sprintf("%d events are of a version that had no log. Nothing shows whether they were changed.", r.Unlogged))
	}
	writeSignatures(&b, c, r)
	writeShards(&b, r)
	writeWatermarks(&b, r)
	writeBehind(&b, r)
	writeGaps(&b, r)
	writeFindings(&b, r)
	_, err := out.Write(b.Bytes())
	return err
}

func writeSignatures(b *bytes.Buffer, c audit.Config, r *audit.Report) {
	switch {
	case r.Notes == 0:
		paragraph(b, "No heartbeat has a checkpoint. Without a signing key an audit finds accidents, and no change by somebody who can write to Kafka.")
	case len(c.Keys) == 0:
		paragraph(b, fmt.Sprintf("%d heartbeats have a checkpoint. No signature was verified, because no --public-key was given.", r.Notes))
	default:
		paragraph(b, fmt.Sprintf("%d heartbeats have a checkpoint. %d signatures were verified.", r.Notes, r.Verified))
	}
	if len(c.Anchors) > 0 {
		paragraph(b, fmt.Sprintf("The logs were compared with %d checkpoints that were kept elsewhere.", len(c.Anchors)))
	}
}

// paragraph writes a text in lines that are not too long.
func paragraph(b *bytes.Buffer, text string) { wrap(b, "", text) }

// wrap writes a text in lines that are not too long. All but the first begin with the indent.
func wrap(b *bytes.Buffer, indent, text string) {
	length := 0
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		switch {
		case length == 0:
		case length+1+n > auditWidth:
			b.WriteString("\n" + indent)
			length = len(indent)
		default:
			b.WriteByte(' ')
			length++
		}
		b.WriteString(word)
		length += n
	}
	b.WriteByte('\n')
}

// auditTable writes rows of which the cells are separated by tabs.
func auditTable(b *bytes.Buffer, title string, rows ...string) {
	fmt.Fprintf(b, "\n%s\n", title)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
}

func writeShards(b *bytes.Buffer, r *audit.Report) {
	rows := []string{"SHARD\tEVENTS\tWHOLE AND UNCHANGED\tUP TO\tCOVERAGE\tSIGNED"}
	for _, s := range r.Shards {
		signed := "no"
		if s.Heartbeat != nil && s.Heartbeat.Checkpoint != "" {
			signed = "not verified"
		}
		if s.Signed {
			signed = "yes"
		}
		rows = append(rows, fmt.Sprintf("%d\t%d\t%s\t%s\t%d\t%s", s.Number, s.Events, verifiedText(s), auditTime(s.VerifiedUntil), s.Coverage, signed))
	}
	auditTable(b, "The logs:", rows...)
}

// verifiedText says which events of a shard are verified.
func verifiedText(s audit.Shard) string {
	switch {
	case s.VerifiedTo == s.VerifiedFrom && s.Events > 0:
		return "none"
	case s.VerifiedFrom == 0 && s.VerifiedTo == s.Events:
		return "all"
	default:
		return fmt.Sprintf("from index %d to %d", s.VerifiedFrom, s.VerifiedTo-1)
	}
}

func auditTime(t time.Time) string { return orElse(t, "-") }

func orElse(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.RFC3339)
}

func writeWatermarks(b *bytes.Buffer, r *audit.Report) {
	rows := []string{"SHARD\tCHANGES\tANNOUNCED\tSTARTS"}
	for _, s := range r.Shards {
		if s.Heartbeat != nil {
			w := s.Heartbeat.Heartbeat.Watermark
			rows = append(rows, fmt.Sprintf("%d\t%s\t%s\t%s", s.Number, auditTime(w.Changes), auditTime(w.Announced), auditTime(w.Starts)))
		}
	}
	if len(rows) > 1 {
		auditTable(b, "Everything was looked at and published up to these times:", rows...)
	}
}

func writeBehind(b *bytes.Buffer, r *audit.Report) {
	var lines []string
	for _, s := range r.Shards {
		if s.Heartbeat == nil {
			continue
		}
		for _, behind := range s.Heartbeat.Heartbeat.Behind {
			for _, of := range kindsOf(behind.Affects, behind.Watermark) {
				lines = append(lines, fmt.Sprintf("gap %d.%d, %s, %s: up to %s", s.Number, behind.Gap, scopeText(behind.Scope), of.name, orElse(of.time, "no time yet")))
			}
		}
	}
	if len(lines) == 0 {
		return
	}
	b.WriteString("\nBut this is behind:\n")
	for _, line := range lines {
		wrap(b, "  ", line)
	}
}

type affected struct {
	name string
	time time.Time
}

// kindsOf returns the kinds of looks that are affected, with their watermarks.
func kindsOf(a coverage.Affects, w coverage.Watermark) (all []affected) {
	for _, k := range []struct {
		is   bool
		name string
		time time.Time
	}{{a.Changes, "changes", w.Changes}, {a.Announced, "announced", w.Announced}, {a.Starts, "starts", w.Starts}} {
		if k.is {
			all = append(all, affected{k.name, k.time})
		}
	}
	return all
}

// scopeText returns what a scope is, by its ids.
func scopeText(s coverage.Scope) string {
	switch {
	case s.WorkerID != "":
		return "worker " + plain(s.FarmID) + "/" + plain(s.FleetID) + "/" + plain(s.WorkerID)
	case s.FleetID != "":
		return "fleet " + plain(s.FarmID) + "/" + plain(s.FleetID)
	case s.FarmID != "":
		return "farm " + plain(s.FarmID)
	default:
		return "everything"
	}
}

func writeGaps(b *bytes.Buffer, r *audit.Report) {
	if len(r.Totals) == 0 {
		b.WriteString("\nThere was no gap.\n")
		return
	}
	rows := []string{"REASON\tGAPS\tOPEN\tTOGETHER"}
	for _, t := range r.Totals {
		together := t.Time.Round(time.Second).String()
		if t.Reason == coverage.Deleted {
			together = fmt.Sprintf("%d workers", t.Workers)
		}
		rows = append(rows, fmt.Sprintf("%s\t%d\t%d\t%s", plain(string(t.Reason)), t.Gaps, t.Open, together))
	}
	auditTable(b, "Gaps, in which something could not be looked at:", rows...)
	gaps := slices.Clone(r.Gaps)
	more := len(gaps) > mostAuditGaps
	gaps = gaps[:min(len(gaps), mostAuditGaps)]
	rows = []string{"GAP\tFROM\tTO\tREASON"}
	for _, g := range gaps {
		rows = append(rows, fmt.Sprintf("%d.%d\t%s\t%s\t%s", g.Shard, g.Number, orElse(g.From, "the begin"), orElse(g.To, "open"), plain(string(g.Reason))))
	}
	title := "These are open, or the longest:"
	if !more && len(gaps) == allGaps(r) {
		title = "They are:"
	}
	auditTable(b, title, rows...)
	for _, g := range gaps {
		if g.Scope != (coverage.Scope{}) {
			wrap(b, "  ", fmt.Sprintf("gap %d.%d: %s", g.Shard, g.Number, scopeText(g.Scope)))
		}
	}
}

func allGaps(r *audit.Report) (n int) {
	for _, t := range r.Totals {
		n += int(t.Gaps)
	}
	return n
}

func writeFindings(b *bytes.Buffer, r *audit.Report) {
	if r.Clean() {
		b.WriteString("\nNothing is wrong.\n")
		return
	}
	var rows []string
	for kind, n := range r.Counts {
		rows = append(rows, fmt.Sprintf("%s\t%d", kind, n))
	}
	slices.Sort(rows)
	auditTable(b, "Findings:", rows...)
	b.WriteByte('\n')
	printed := r.Findings[:min(len(r.Findings), mostFindings)]
	for _, f := range printed {
		wrap(b, "  ", fmt.Sprintf("%s: %s%s", f.Kind, plain(f.Text), placeText(f)))
	}
	if len(printed) < len(r.Findings) {
		fmt.Fprintf(b, "These are the first %d.\n", len(printed))
	}
}

// placeText says where a finding is, in parentheses.
func placeText(f audit.Finding) string {
	var parts []string
	if f.Topic != "" {
		parts = append(parts, fmt.Sprintf("%s/%d offset %d", f.Topic, f.Partition, f.Offset))
	}
	if f.Session != "" {
		parts = append(parts, cmp.Or(plain(f.Session), "-"))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
