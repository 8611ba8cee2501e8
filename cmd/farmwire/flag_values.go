package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// private is the value of a flag that no error quotes. Kong quotes the values that Decode refuses, and such a value may be a
// key or a password that was given to the wrong flag. So Decode accepts every value, and kafkaFlags.check refuses the wrong
// ones.
type private string

// Decode accepts any value, even one that begins with hyphens, as PEM does.
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

// mechanism is the name of a SASL mechanism, or another text that was given for it.
type mechanism private

// Decode accepts any value; problem says whether it is wrong.
func (m *mechanism) Decode(ctx *kong.DecodeContext) error { return (*private)(m).Decode(ctx) }

// problem says what is wrong with the value, and returns "" if nothing is.
func (m mechanism) problem() string {
	known := []string{"none", "plain", "scram-sha-256", "scram-sha-512", "aws-msk-iam"}
	if slices.Contains(known, string(m)) {
		return ""
	}
	return "must be one of " + strings.Join(known, ", ")
}

// toggle is a boolean flag whose wrong value no error quotes.
type toggle struct{ on, wrong bool }

// IsBool tells kong that the flag needs no value.
func (*toggle) IsBool() bool { return true }

// problem says what is wrong with the value, and returns "" if nothing is.
func (t toggle) problem() string {
	if t.wrong {
		return "must be true or false"
	}
	return ""
}

// Decode accepts any value; problem says whether it is wrong.
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

// number is a flag that takes a decimal integer. Kong's own integers may be hexadecimal or octal too.
type number int

// Decode reads the value of the flag.
func (n *number) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("integer")
	if err != nil {
		return err
	}
	text := fmt.Sprint(token.Value)
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return errors.New("the value is not an integer")
	}
	value, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return errors.New("the value is not an integer")
	}
	*n = number(value) // the nearest int if it is out of range, which serves as well
	return nil
}

// wordList is a flag that takes several words, separated by commas or by giving the flag again. Unlike kong's own lists it keeps
// empty words, so that a command can refuse them: --farm "$FARM" must not select everything if the variable is not set.
type wordList []string

// Decode adds words to the list, without the blanks around them.
func (l *wordList) Decode(ctx *kong.DecodeContext) error {
	token := ctx.Scan.Peek()
	if !token.IsValue() {
		return errors.New("missing value")
	}
	ctx.Scan.Pop()
	list, ok := token.Value.([]any) // from a file
	if !ok {
		list = []any{token.Value}
	}
	for _, text := range list {
		for word := range strings.SplitSeq(fmt.Sprint(text), ",") {
			*l = append(*l, strings.TrimSpace(word))
		}
	}
	return nil
}
