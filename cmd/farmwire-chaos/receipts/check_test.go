package receipts

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// right is a run in which nothing is wrong: a and b are the events of one session, in order; a comes again after a crash; c is
// taken without an answer first; d is always refused, and e comes after it; x was never committed.
func right() Input {
	return Input{
		Attempts: 2,
		Refuses:  map[string]bool{"d": true},
		Events: []Event{
			{ID: "a", Session: "1", Partition: "ended/0", Offset: 0, Content: "A", Committed: true},
			{ID: "x", Session: "1", Partition: "ended/0", Offset: 1, Content: "X"},
			{ID: "b", Session: "1", Partition: "ended/0", Offset: 3, Content: "B", Committed: true},
			{ID: "c", Session: "2", Partition: "ended/1", Offset: 0, Content: "C", Committed: true},
			{ID: "d", Session: "3", Partition: "ended/1", Offset: 1, Content: "D", Committed: true},
			{ID: "e", Session: "3", Partition: "ended/1", Offset: 2, Content: "E", Committed: true},
		},
		Requests: []Request{
			{ID: "a", Sender: "p", Content: "A", Arrived: 1, Answered: 2, Answer: No},
			{ID: "c", Sender: "p", Content: "C", Arrived: 3, Answered: 4, Answer: Taken},
			{ID: "a", Sender: "p", Content: "A", Arrived: 5, Answered: 6, Answer: Yes},
			{ID: "d", Sender: "p", Content: "D", Arrived: 7, Answered: 8, Answer: No},
			{ID: "a", Sender: "q", Content: "A", Arrived: 9, Answered: 10, Answer: Yes},
			{ID: "b", Sender: "q", Content: "B", Arrived: 11, Answered: 12, Answer: Away},
			{ID: "b", Sender: "q", Content: "B", Arrived: 13, Answered: 14, Answer: Yes},
			{ID: "c", Sender: "q", Content: "C", Arrived: 15, Answered: 16, Answer: Yes},
			{ID: "d", Sender: "q", Content: "D", Arrived: 17, Answered: 18, Answer: No},
			{ID: "e", Sender: "q", Content: "E", Arrived: 19, Answered: 20, Answer: Yes},
		},
		Letters: []Letter{{ID: "d", Reason: "refused", Attempts: 2, Content: "D"}, {ID: "d", Reason: "refused", Attempts: 2, Content: "D"}},
		Commits: []Commit{
			{Partition: "ended/0", Offset: 0, Seen: 1}, {Partition: "ended/0", Offset: 1, Seen: 7}, {Partition: "ended/0", Offset: 4, Seen: 15},
			{Partition: "ended/1", Offset: 0, Seen: 4}, {Partition: "ended/1", Offset: 2, Seen: 18}, {Partition: "ended/1", Offset: 3, Seen: 21},
		},
	}
}

func TestNothingIsWrong(t *testing.T) {
	want := &Report{Counts: Counts{
		Events: 5, Aborted: 1, Requests: 10, Answers: map[Answer]int{Yes: 5, No: 3, Taken: 1, Away: 1},
		Delivered: 4, Repeats: 1, Letters: 1, Copies: 1, Senders: 2, Moves: 2, Followers: 2, Looks: 6,
	}}
	if d := cmp.Diff(want, Check(right())); d != "" {
		t.Error(d)
	}
}

// Every wrong is found, and nothing else.
func TestEveryWrongIsFound(t *testing.T) {
	for name, test := range map[string]struct {
		breaks func(*Input)
		want   string // kinds and ids
	}{
		"an event is lost": {func(in *Input) {
			in.Requests = append(in.Requests[:7:7], in.Requests[8:]...)
		}, "lost c, skipped c"},
		"the last event is lost": {func(in *Input) {
			in.Requests = in.Requests[:9]
			in.Commits = in.Commits[:5]
		}, "lost e"},
		"taken without a yes does not count": {func(in *Input) { in.Requests[9].Answer = Taken }, "lost e, skipped e"},
		"a foreign id":                       {func(in *Input) { in.Requests[9].ID = "z"; in.Commits = in.Commits[:5] }, "invented z, lost e"},
		"an aborted event": {func(in *Input) {
			in.Requests = append(in.Requests, Request{ID: "x", Sender: "q", Content: "X", Arrived: 21, Answered: 22, Answer: Yes})
		}, "uncommitted x"},
		"a repeat has another body":     {func(in *Input) { in.Requests[4].Content = "other" }, "changed a"},
		"a request is not signed":       {func(in *Input) { in.Requests[2].Problem = "no signature" }, "bad request a"},
		"a dead letter is missing":      {func(in *Input) { in.Letters = nil }, "dead letter missing d"},
		"a dead letter of a yes":        {func(in *Input) { in.Letters[1] = Letter{"a", "refused", 2, "A"} }, "dead letter too early a"},
		"a dead letter of nothing":      {func(in *Input) { in.Letters[1].ID = "z" }, "invented z"},
		"an aborted event is given up":  {func(in *Input) { in.Letters[1].ID = "x" }, "uncommitted x"},
		"a dead letter of another sort": {func(in *Input) { in.Letters[1].Reason = "too-old" }, "wrong dead letter d"},
		"a dead letter too soon":        {func(in *Input) { in.Letters[1].Attempts = 1 }, "wrong dead letter d"},
		"a dead letter is changed":      {func(in *Input) { in.Letters[1].Content = "other" }, "wrong dead letter d"},
		"given up after one no": {func(in *Input) {
			in.Requests[3].Answer = Away
			in.Letters = in.Letters[:1]
			in.Requests, in.Commits = in.Requests[:9], in.Commits[:4]
		}, "dead letter too early d, lost e"},
		"behind an event that is not done":   {func(in *Input) { in.Requests[5].Arrived = 5 }, "out of order b"},
		"behind an event that is refused":    {func(in *Input) { in.Requests[9].Arrived = 17 }, "out of order e"},
		"the order of a session is reversed": {func(in *Input) { in.Requests[2].ID, in.Requests[6].ID = "b", "a"; swap(in, 2, 6) }, "out of order b, skipped a"},
		"an offset is skipped for a while":   {func(in *Input) { in.Commits[4].Seen = 17 }, "skipped d"},
	} {
		in := right()
		test.breaks(&in)
		var got []string
		for _, a := range Check(in).Anomalies {
			got = append(got, string(a.Kind)+" "+a.ID)
		}
		if d := cmp.Diff(test.want, strings.Join(got, ", ")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// swap swaps the contents of two requests, too.
func swap(in *Input, i, j int) {
	in.Requests[i].Content, in.Requests[j].Content = in.Requests[j].Content, in.Requests[i].Content
}

func TestPrint(t *testing.T) {
	in := right()
	in.Letters = nil
	in.Requests[4].Content = "other"
	var out strings.Builder
	Check(in).Print(&out, "webhook", 1)
	for _, want := range []string{"5 events (and 1 of aborted", "10 requests of 2 processes", "yes 5 no 3 taken 1 away 1", "anomalies 2", "changed: a:", "dead letter missing: d:"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q lacks %q", out.String(), want)
		}
	}
}
