package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"farmwire/cmd/view"
)

// logFlags say what is logged, and how.
type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"Write log lines of this level and above: debug, info, warn or error."`
	LogFormat string `enum:"auto,console,json" default:"auto" help:"Write the log in this form: console, json, or auto, which is console on a terminal and json elsewhere."`
}

// openLog returns the logger of a command that runs for long. Neither a reader of the log that goes away nor one that stands still
// stops it.
func (f logFlags) openLog(std *streams, lines *lineSink) (*zap.Logger, error) {
	surviveBrokenPipes()
	log, err := f.logger(std.err)
	if err != nil {
		return nil, err
	}
	lines.reportDropped(f.dropNotice(std.err))
	return log, nil
}

// logger returns a logger that writes to w, with times in UTC.
func (f logFlags) logger(w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(f.LogLevel)
	if err != nil {
		return nil, usageError{fmt.Errorf("--log-level: %w", err)}
	}
	return zap.New(hintingCore{zapcore.NewCore(f.encoder(w), zapcore.Lock(zapcore.AddSync(w)), level)}), nil
}

// encoder returns the encoder of log lines that go to w.
func (f logFlags) encoder(w io.Writer) zapcore.Encoder {
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = inUTC(zapcore.RFC3339NanoTimeEncoder)
	encoding.TimeKey = "time"
	if f.LogFormat == "console" || f.LogFormat == "auto" && view.IsTerminal(w) {
		encoding.EncodeLevel = zapcore.CapitalLevelEncoder
		if view.HasColour(w) {
			encoding.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
		encoding.EncodeTime = inUTC(zapcore.TimeEncoderOfLayout("15:04:05.000Z07:00"))
		encoding.EncodeDuration = zapcore.StringDurationEncoder
		return zapcore.NewConsoleEncoder(encoding)
	}
	return zapcore.NewJSONEncoder(encoding)
}

// dropNotice returns the function that makes the log line about lines that were dropped, for a log that goes to w.
func (f logFlags) dropNotice(w io.Writer) func(lines uint64, since time.Time) []byte {
	encoder := f.encoder(w)
	return func(lines uint64, since time.Time) []byte {
		entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), Message: "log lines were dropped, because nothing could be written"}
		text, err := encoder.EncodeEntry(entry, []zap.Field{zap.Uint64("lines", lines), zap.Time("since", since)})
		if err != nil { // no encoder fails for these fields
			return nil
		}
		defer text.Free()
		return bytes.Clone(text.Bytes())
	}
}

// inUTC encodes times in UTC, as those of events are, whatever the time zone of the machine is.
func inUTC(encode zapcore.TimeEncoder) zapcore.TimeEncoder {
	return func(t time.Time, to zapcore.PrimitiveArrayEncoder) { encode(t.UTC(), to) }
}
