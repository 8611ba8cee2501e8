package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"farmwire/consumer/trigger"
)

// deadLettersCmd holds the commands for the events that a trigger has given up.
type deadLettersCmd struct {
	List   deadLettersListCmd   `cmd:"" help:"List the events that were given up, and why."`
	Replay deadLettersReplayCmd `cmd:"" help:"Deliver events that were given up, once each. Those that are taken are removed from the list."`
	Drop   deadLettersDropCmd   `cmd:"" help:"Remove events from the list without delivering them."`
}

// listTimeout is how long it may take to read the dead-letter topic.
const listTimeout = 60 * time.Second

// letterFlags select dead letters.
type letterFlags struct {
	Event []string `placeholder:"ID" help:"Select the events with these ids (ce_id), separated by commas."`
	All   bool     `help:"Select all events of the list."`
}

// choose returns the selected letters. It is an error if one that is named is not there.
func (f letterFlags) choose(letters []trigger.DeadLetter) ([]trigger.DeadLetter, error) {
	if f.All {
		return letters, nil
	}
	var chosen []trigger.DeadLetter
	for _, id := range f.Event {
		i := slices.IndexFunc(letters, func(l trigger.DeadLetter) bool { return l.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("the list has no event with id %q: see farmwire trigger dead-letters list", id)
		}
		chosen = append(chosen, letters[i])
	}
	return chosen, nil
}

func (f letterFlags) check() error {
	if f.All == (len(f.Event) > 0) {
		return errors.New("say which events: either --event, or --all")
	}
	return nil
}

// open checks the flags, of which others is what is wrong with those that are not of Kafka, connects to the dead-letter topic and
// reads the list.
func (f groupFlags) open(ctx context.Context, std *streams, kafka kafkaFlags, others error) (*trigger.DeadLetters, []trigger.DeadLetter, error) {
	cfg, err := kafka.begin(std, others)
	if err != nil {
		return nil, nil, err
	}
	d, err := trigger.OpenDeadLetters(f.config(cfg))
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	letters, err := d.List(ctx)
	if err != nil {
		d.Close()
		return nil, nil, err
	}
	return d, letters, nil
}

type deadLettersListCmd struct {
	kafkaFlags
	groupFlags

	Output string `enum:"table,jsonl" default:"table" help:"Print a table, or a line of JSON for each event: table or jsonl."`
}

// Run prints the list.
func (c *deadLettersListCmd) Run(ctx context.Context, std *streams) error {
	d, letters, err := c.open(ctx, std, c.kafkaFlags, nil)
	if err != nil {
		return err
	}
	defer d.Close()
	if c.Output == "jsonl" {
		return printLetters(std.out, letters)
	}
	_, err = std.out.Write(letterTable(letters))
	return err
}

// letterTable returns the dead letters as a table, or a sentence if there are none.
func letterTable(letters []trigger.DeadLetter) []byte {
	if len(letters) == 0 {
		return []byte("no event was given up\n")
	}
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tREASON\tATTEMPTS\tFIRST TRY\tLAST TRY\tMESSAGE")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", plain(l.ID), plain(l.Reason), l.Attempts, tryTime(l.First), tryTime(l.Last), plain(l.Message))
	}
	w.Flush()
	return b.Bytes()
}

func tryTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// printedLetter is a dead letter as JSON.
type printedLetter struct {
	ID       string          `json:"id"`
	Reason   string          `json:"reason"`
	Message  string          `json:"message"`
	Attempts int             `json:"attempts"`
	First    *time.Time      `json:"first"`
	Last     *time.Time      `json:"last"`
	Exit     *int            `json:"exit"`
	Status   *int            `json:"status"`
	Stderr   string          `json:"stderr"`
	Event    json.RawMessage `json:"event"` // in the structured form of CloudEvents; null if the record cannot be read
}

// printLetters prints the dead letters as lines of JSON.
func printLetters(out io.Writer, letters []trigger.DeadLetter) error {
	encoder := json.NewEncoder(out)
	for _, l := range letters {
		p := printedLetter{ID: l.ID, Reason: l.Reason, Message: l.Message, Attempts: l.Attempts,
			First: unlessZero(l.First), Last: unlessZero(l.Last), Exit: unlessZero(l.Exit), Status: unlessZero(l.Status), Stderr: l.Stderr}
		if l.Event.ID != "" {
			var err error
			if p.Event, err = json.Marshal(l.Record); err != nil {
				return err
			}
		}
		if err := encoder.Encode(p); err != nil {
			return err
		}
	}
	return nil
}

// unlessZero returns a pointer to a value, or nil if it is the zero value.
func unlessZero[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

type deadLettersReplayCmd struct {
	kafkaFlags
	groupFlags
	letterFlags
	targetFlags
}

// Run delivers the selected events. It fails if one of them is not taken.
func (c *deadLettersReplayCmd) Run(ctx context.Context, std *streams) error {
	d, letters, err := c.open(ctx, std, c.kafkaFlags, errors.Join(c.letterFlags.check(), c.targetFlags.check()))
	if err != nil {
		return err
	}
	defer d.Close()
	target, err := c.target(std)
	if err != nil {
		return err
	}
	chosen, err := c.choose(letters)
	if err != nil {
		return err
	}
	left := 0
	for _, l := range chosen {
		r, err := d.Replay(ctx, l, target)
		if err != nil {
			return err
		}
		if r.Outcome != trigger.Delivered {
			left++
		}
		if _, err := fmt.Fprintf(std.out, "%s %s\n", plain(l.ID), cmp.Or(r.Reason, "was delivered")); err != nil {
			return err
		}
		if r.Outcome == trigger.Impossible || ctx.Err() != nil {
			return fmt.Errorf("%s: %s", target, r.Reason)
		}
	}
	if left > 0 {
		return fmt.Errorf("%d of %d events were not taken, and stay in the list", left, len(chosen))
	}
	return nil
}

type deadLettersDropCmd struct {
	kafkaFlags
	groupFlags
	letterFlags
}

// Run removes the selected events from the list.
func (c *deadLettersDropCmd) Run(ctx context.Context, std *streams) error {
	d, letters, err := c.open(ctx, std, c.kafkaFlags, c.letterFlags.check())
	if err != nil {
		return err
	}
	defer d.Close()
	chosen, err := c.choose(letters)
	if err != nil {
		return err
	}
	for _, l := range chosen {
		if err := d.Remove(ctx, l); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(std.out, "%s was dropped\n", plain(l.ID)); err != nil {
			return err
		}
	}
	return nil
}
