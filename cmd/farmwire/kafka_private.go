package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"farmwire/cluster"
)

// private is the value of a flag that no error quotes. The parser quotes values that it refuses, and such a value may be a
// key or a password that was given to the wrong flag. So Decode refuses none, and check does.
type private string

// Decode takes any value, one that begins with hyphens as PEM does too.
func (p *private) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Peek()
	text := fmt.Sprint(token.Value)
	isFlag := !token.IsValue() && !strings.HasPrefix(text, "-----")
	if token.IsEOL() || isFlag {
		return errors.New("missing value")
	}
	ctx.Scan.Pop()
	*p = private(text)
	return nil
}

// mechanism is the name of a SASL mechanism, or what was given for one.
type mechanism private

// Decode takes any value; problem says what is wrong.
func (m *mechanism) Decode(ctx *kong.DecodeContext) error { return (*private)(m).Decode(ctx) }

func (m mechanism) problem() string {
	known := []string{"none", "plain", "scram-sha-256", "scram-sha-512", "aws-msk-iam"}
	if slices.Contains(known, string(m)) {
		return ""
	}
	return "must be one of " + strings.Join(known, ", ")
}

// toggle is a boolean flag that keeps a wrong value to itself.
type toggle struct{ on, wrong bool }

// IsBool lets the flag stand alone.
func (*toggle) IsBool() bool { return true }

func (t toggle) problem() string {
	if t.wrong {
		return "must be true or false"
	}
	return ""
}

// Decode takes any value; problem says what is wrong.
func (t *toggle) Decode(ctx *kong.DecodeContext) error {
	*t = toggle{on: true}
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		switch strings.ToLower(fmt.Sprint(ctx.Scan.Pop().Value)) {
		case "true", "1", "yes":
		case "false", "0", "no":
			t.on = false
		default:
			*t = toggle{wrong: true}
		}
	}
	return nil
}

// password is the SASL password, and what is wrong with it.
type password struct {
	value cluster.Secret
	wrong error
}

// readPassword reads the password from the file, or without one from the environment. Its error names where it was
// looked for, and quotes neither the file's name, which may be the password itself, nor its text.
func readPassword(file string) password {
	value, source := cluster.Secret(os.Getenv("FARMWIRE_SASL_PASSWORD")), "FARMWIRE_SASL_PASSWORD"
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			// The name may be the password itself, so it is kept out of all other texts too.
			return password{cluster.Secret(file), fmt.Errorf("--sasl-password-file must name a file that holds the password: the file %s", cluster.Unreadable(err))}
		}
		value, source = cluster.Secret(strings.TrimRight(string(text), "\r\n")), "the file of --sasl-password-file"
		if value == "" {
			return password{wrong: errors.New("the file of --sasl-password-file is empty: write the password into it")}
		}
	}
	if err := value.Validate(); err != nil {
		return password{value, fmt.Errorf("the password in %s %w", source, err)}
	}
	return password{value: value}
}

// scrubber writes to another writer what is left when secrets are taken out. Each call must bring whole lines.
type scrubber struct {
	to    io.Writer
	scrub func(string) string
}

// Write reports the length of what came in.
func (s scrubber) Write(text []byte) (int, error) {
	if _, err := io.WriteString(s.to, s.scrub(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Fd is the file descriptor of the writer behind.
func (s scrubber) Fd() uintptr { return fileDescriptor(s.to) }
