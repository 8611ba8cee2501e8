package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"unicode"

	kafka "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Explain wraps an error of either client in an [Error] if its cause is known: TLS, SASL, the network, missing permissions,
// or an answer of a broker. Any other error, and one that holds an Error already, is not wrapped. In any case the text
// becomes one line, and the password is removed from what a broker or a client said. names are names that the caller uses,
// such as those of topics. If the password is a part of one of them, nothing is removed, because a changed name would
// reveal the password.
func (c Config) Explain(err error, names ...string) error {
	if err == nil {
		return nil
	}
	err = c.explain(err)
	names = append(append([]string{c.SASL.Username}, c.Brokers...), names...)
	scrub := func(text string) string { return c.SASL.Password.Scrub(OneLine(text), names...) }
	text := err.Error()
	if e, ok := err.(*Error); ok && e.Err != nil && !e.quiet {
		text = e.Text + " (" + scrub(said(e.Err)) + ")" // e.Text is our own
	} else {
		text = scrub(text)
	}
	if text != err.Error() {
		return &reworded{text, err}
	}
	return err
}

// ExplainClosed is Explain, but also recognizes the port of a KRaft controller. Such a port closes the connection in the same
// way as one that requires SASL, but it lists the requests that it accepts. So if the broker has closed the connection,
// ExplainClosed asks for that list over a new one.
func (c Config) ExplainClosed(ctx context.Context, err error, names ...string) error {
	if errors.Is(err, io.EOF) && c.isController(ctx) {
		err = &Error{Kind: ControllerPort, Text: "this is a port of a KRaft controller, which does not serve clients", Err: err}
	}
	return c.Explain(err, names...)
}

// isController reports whether a bootstrap broker answers, but accepts no requests for metadata.
func (c Config) isController(ctx context.Context) bool {
	const metadata = 3
	options, err := c.ClientOptions()
	if err != nil {
		return false
	}
	client, err := kgo.NewClient(append(options, kgo.WithContext(ctx), kgo.RetryTimeout(2*DialTimeout))...)
	if err != nil {
		return false
	}
	defer client.Close()
	request := kmsg.NewPtrApiVersionsRequest()
	request.ClientSoftwareName, request.ClientSoftwareVersion = ClientID, "1"
	for _, broker := range client.SeedBrokers() {
		answer, err := broker.Request(ctx, request)
		if err != nil {
			continue
		}
		isMetadata := func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == metadata }
		if keys := answer.(*kmsg.ApiVersionsResponse).ApiKeys; len(keys) > 0 && !slices.ContainsFunc(keys, isMetadata) {
			return true
		}
	}
	return false
}

// explain finds the cause of an error. Unlike Explain, it does not change the text of an error that it cannot explain.
func (c Config) explain(err error) error {
	if _, already := errors.AsType[*Error](err); already {
		return err
	}
	for _, find := range []func(error) *Error{explainTLS, explainCode, c.explainClosed, explainNetwork} {
		if e := find(err); e != nil {
			e.Err = err
			return e
		}
	}
	return err
}

// reworded is an error with another text.
type reworded struct {
	text string
	err  error
}

// Error returns the text.
func (e *reworded) Error() string { return e.text }

func (e *reworded) Unwrap() error { return e.err }

// said returns the text of an error in one line. It leaves out what a broker says about a login, because the broker knows
// the password and may repeat it.
func said(err error) string {
	text := err.Error()
	if answer := answerIn(err); answer != nil && isOfLogin(Code(err)) {
		if _, after, found := strings.Cut(text, answer.Error()); found {
			text = strings.TrimSuffix(text, after)
		}
	}
	return OneLine(text)
}

// OneLine returns the text on one line and without control characters. It is for texts of brokers and clients that are shown
// on terminals and in logs.
func OneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Code returns the error code of Kafka's protocol in an error of either client, or 0 if there is none.
func Code(err error) int16 {
	switch answer := answerIn(err).(type) {
	case kafka.Error:
		return int16(answer)
	case *kerr.Error:
		return answer.Code
	}
	return 0
}

// answerIn returns the error that a broker answered with, from an error of either client, or nil if there is none.
func answerIn(err error) error {
	if answer, ok := errors.AsType[kafka.Error](err); ok {
		return answer
	}
	if answer, ok := errors.AsType[*kerr.Error](err); ok {
		return answer
	}
	return nil
}

func isOfLogin(code int16) bool { return code == 58 || code == 33 || code == 34 }

// IsTimeout reports whether an error says that the time of a context or of a connection ran out.
func IsTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}
