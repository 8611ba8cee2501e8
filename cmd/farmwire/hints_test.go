package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"farmwire/cluster"
)

// Hints name flags that there are.
func TestHintsNameFlags(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.BindTo(t.Context(), (*context.Context)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	flags := flagCommands(parser.Model.Node)
	all := clusterHints()
	maps.Copy(all, publisherHints())
	for kind, hint := range all {
		for _, name := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(hint, -1) {
			if _, ok := flags[name[1]]; !ok {
				t.Errorf("%s: there is no flag %s", kind, name[0])
			}
		}
	}
}

// An error gets the hint of its kind once, however it is wrapped, and an error without a kind gets none.
func TestHints(t *testing.T) {
	const hint = ": add --tls"
	problem := &cluster.Error{Kind: cluster.TLSRequired, Text: "the broker's port requires TLS", Err: io.EOF}
	for _, err := range []error{problem, fmt.Errorf("open: %w", problem), errors.Join(problem, io.EOF), usageError{withHint(problem)}} {
		got := withHint(withHint(err))
		if text := got.Error(); strings.Count(text, hint) != 1 || !errors.Is(got, io.EOF) {
			t.Errorf("%v", got)
		}
	}
	for _, err := range []error{io.EOF, &cluster.Error{Kind: cluster.TLSBroken, Text: "broken"}} {
		if got := withHint(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// Errors in the log have hints too.
func TestHintsInTheLog(t *testing.T) {
	var out bytes.Buffer
	log, err := logFlags{LogLevel: "info", LogFormat: "json"}.logger(&out)
	if err != nil {
		t.Fatal(err)
	}
	problem := fmt.Errorf("open: %w", &cluster.Error{Kind: cluster.TLSRequired, Text: "the broker's port requires TLS"})
	log.Warn("in the entry", zap.Error(problem))
	log.With(zap.Error(problem)).Warn("in all entries")
	log.Debug("below the level", zap.Error(problem))
	if got := out.String(); strings.Count(got, `"error":"open: the broker's port requires TLS: add --tls"`) != 2 || strings.Count(got, "\n") != 2 {
		t.Error(got)
	}
}
