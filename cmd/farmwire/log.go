package main

import (
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	LogFormat string `enum:"auto,console,json" default:"auto" help:"console, json, or auto: console on a terminal, JSON otherwise."`
}

// logger writes structured logs to w, with times in UTC.
func (f logFlags) logger(w io.Writer) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(f.LogLevel)
	if err != nil {
		return nil, usageError{fmt.Errorf("--log-level: %w", err)}
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.EncodeTime = inUTC(zapcore.RFC3339NanoTimeEncoder)
	encoding.TimeKey = "time"
	encoder := zapcore.NewJSONEncoder(encoding)
	if f.LogFormat == "console" || f.LogFormat == "auto" && isTerminal(w) {
		encoding.EncodeLevel = zapcore.CapitalColorLevelEncoder
		encoding.EncodeTime = inUTC(zapcore.TimeEncoderOfLayout("15:04:05.000Z07:00"))
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(hintingCore{zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)}), nil
}

// inUTC makes log times comparable with those of events, whatever the machine's zone is.
func inUTC(encode zapcore.TimeEncoder) zapcore.TimeEncoder {
	return func(t time.Time, to zapcore.PrimitiveArrayEncoder) { encode(t.UTC(), to) }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
