package audit

import (
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"farmwire/event"
)

// signatures checks the checkpoints of a shard. To verify a signature takes much longer than to read a record, and each chain
// includes all records before it. So it verifies the newest checkpoint, and the first and the last of each key, unless all are asked
// for.
type signatures struct {
	config   Config
	found    *findings
	known    note.Verifiers
	last     map[keyName]signedNote
	newest   signedNote
	began    bool // a checkpoint was read
	unsigned uint64
	verified uint64
	notes    uint64
}

// keyName is how a signature names its key.
type keyName struct {
	name string
	hash uint32
}

// signedNote is a checkpoint and where it is.
type signedNote struct {
	at     where
	shard  int
	number uint64 // of the heartbeat
	text   string
	isDone bool // it was verified, or found wrong
	valid  bool // it has a valid signature
}

func newSignatures(c Config, found *findings) *signatures {
	return &signatures{config: c, found: found, known: note.VerifierList(c.Keys...), last: make(map[keyName]signedNote)}
}

// heartbeat takes the checkpoint of a heartbeat.
func (s *signatures) heartbeat(at where, h *event.Coverage) {
	n := signedNote{at: at, shard: h.Shard, number: h.Number, text: h.Checkpoint}
	defer func() { s.newest = n }()
	if h.Checkpoint == "" {
		// Before the first checkpoint there was no key yet.
		if s.unsigned++; s.began && len(s.config.Keys) > 0 {
			s.wrong(n, SignatureInvalid, "the heartbeat %d of shard %d has no checkpoint, although one before it has", h.Number, h.Shard)
			n.isDone = true
		}
		return
	}
	s.began = true
	s.notes++
	text, names := unverified(h.Checkpoint)
	of, err := event.ParseCheckpoint(text)
	want := event.Checkpoint{Origin: event.Origin(h.Region, h.StateTopic, h.Shard), Log: h.Log, Coverage: h.CoverageLog}
	switch {
	case err != nil:
		s.wrong(n, CheckpointWrong, "the checkpoint of the heartbeat %d of shard %d cannot be read: %v", h.Number, h.Shard, err)
	case of != want:
		s.wrong(n, CheckpointWrong, "the checkpoint of the heartbeat %d of shard %d says something else than the heartbeat", h.Number, h.Shard)
	}
	if len(s.config.Keys) == 0 {
		return
	}
	isKnown := false
	for _, name := range names {
		if _, err := s.known.Verifier(name.name, name.hash); err != nil {
			continue
		}
		isKnown = true
		if _, before := s.last[name]; !before {
			s.verify(&n)
		}
		s.last[name] = n
	}
	if !isKnown {
		s.wrong(n, SignatureInvalid, "the checkpoint of the heartbeat %d of shard %d has no signature of a known key", h.Number, h.Shard)
		n.isDone = true
	} else if s.config.EverySignature {
		s.verify(&n)
	}
}

// finish verifies the last checkpoint of each key, and the newest.
func (s *signatures) finish() {
	if len(s.config.Keys) == 0 {
		return
	}
	if s.newest.number != 0 && s.newest.text == "" && !s.began {
		s.wrong(s.newest, SignatureInvalid, "no heartbeat of shard %d has a checkpoint", s.newest.shard)
		return
	}
	for name, n := range s.last {
		if n.number != s.newest.number {
			s.verify(&n)
			s.last[name] = n
		}
	}
	if s.newest.text != "" {
		s.verify(&s.newest)
	}
}

// verify verifies a checkpoint, once.
func (s *signatures) verify(n *signedNote) {
	if n.isDone {
		return
	}
	n.isDone = true
	if _, err := note.Open([]byte(n.text), s.known); err != nil {
		s.wrong(*n, SignatureInvalid, "the checkpoint of the heartbeat %d of shard %d has no valid signature: %v", n.number, n.shard, err)
		return
	}
	n.valid = true
	s.verified++
}

func (s *signatures) wrong(n signedNote, kind Kind, format string, args ...any) {
	f := place(kind, n.at, format, args...)
	f.Shard, f.Index = n.shard, int64(n.number)
	s.found.add(f)
}

// unverified returns the text of a signed note, and which keys its signatures name.
func unverified(signed string) (text string, keys []keyName) {
	n, err := note.Open([]byte(signed), note.VerifierList())
	if unknown, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		n = unknown.Note
	}
	if n == nil {
		text, _, _ = strings.Cut(signed, "\n\n")
		return text + "\n", nil
	}
	for _, of := range n.UnverifiedSigs {
		keys = append(keys, keyName{of.Name, of.Hash})
	}
	return n.Text, keys
}
