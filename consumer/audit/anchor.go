package audit

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"farmwire/event"
)

// errNoAnchor says that a text has no checkpoint in it.
var errNoAnchor = errors.New("it has no checkpoint, as they are in the heartbeats: five lines, an empty line, and the lines of the signatures")

// ParseAnchors reads signed notes, as [Checkpoints] returns them, with empty lines between them. If keys are given, each note must
// have a valid signature of one of them.
func ParseAnchors(text string, keys ...note.Verifier) ([]event.Checkpoint, error) {
	var anchors []event.Checkpoint
	for _, signed := range splitNotes(text) {
		body, _ := unverified(signed)
		c, err := event.ParseCheckpoint(body)
		if err != nil {
			return nil, err
		}
		if len(keys) > 0 {
			if _, err := note.Open([]byte(signed), note.VerifierList(keys...)); err != nil {
				return nil, fmt.Errorf("the checkpoint of %s has no valid signature: %w", c.Origin, err)
			}
		}
		anchors = append(anchors, c)
	}
	if len(anchors) == 0 {
		return nil, errNoAnchor
	}
	return anchors, nil
}

// splitNotes splits a text into notes. A note is a block of lines, an empty line, and a block of signatures.
func splitNotes(text string) (notes []string) {
	var blocks []string
	for block := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if block = strings.Trim(block, "\n"); block != "" {
			blocks = append(blocks, block)
		}
	}
	for i, block := range blocks {
		switch {
		case strings.HasPrefix(block, "— ") && i > 0:
			notes[len(notes)-1] += "\n\n" + block + "\n"
		default:
			notes = append(notes, block)
		}
	}
	return notes
}

// anchorsOf returns the checkpoints that were kept of a shard.
func (a *audit) anchorsOf(shard int) (of []event.Checkpoint) {
	for _, anchor := range a.config.Anchors {
		if n, ok := a.shardOfAnchor(anchor); ok && n == shard {
			of = append(of, anchor)
		}
	}
	return of
}

// shardOfAnchor returns which shard a checkpoint is of. It reports false if the checkpoint is of another topic.
func (a *audit) shardOfAnchor(anchor event.Checkpoint) (shard int, ok bool) {
	rest, number, _ := cutLast(anchor.Origin, "/")
	topic := "/" + a.config.Consumer.StateTopic()
	n, isNumber := plainNumber([]byte(number))
	const most = 1 << 31
	return int(n), isNumber && n < most && strings.HasPrefix(rest, "farmwire/") && strings.HasSuffix(rest, topic)
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
