package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"farmwire"
	"farmwire/cmd/command"
	"farmwire/poller/farmtest"
)

// demoCmd is the demo: the account at its end decides the exit code.
type demoCmd struct {
	Workers  int           `default:"12" help:"How many workers the farm has, about."`
	Speed    float64       `default:"30" help:"How many times faster than a real farm it lives: at 30 a session of 20 minutes takes 40 seconds."`
	Seed     uint64        `default:"1" help:"What the farm's life is made from: the same seed, the same life."`
	Duration time.Duration `help:"End by itself after so long; by default only at Ctrl-C." placeholder:"30s"`
}

// Validate is called by kong.
func (c *demoCmd) Validate() error {
	switch {
	case c.Workers < 1:
		return errors.New("--workers must be at least 1")
	case c.Speed <= 0:
		return errors.New("--speed must be above 0")
	case c.Duration < 0:
		return errors.New("--duration must not be negative")
	}
	return nil
}

// Run shows the demo until its duration has passed or ctx ends, and then the account.
func (c *demoCmd) Run(ctx context.Context, std command.Streams) error {
	s, err := openStage(ctx, farmtest.Config{Workers: c.Workers, Sessions: c.Workers * 3 / 2, Seed: c.Seed, Speed: c.Speed, Fleets: 3})
	if err != nil {
		return err
	}
	a, err := c.play(ctx, s, std)
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	if !a.complete() {
		return command.ErrReported // by the account
	}
	return nil
}

// play runs Farmwire on the stage, prints what a consumer reads, and gives the account.
func (c *demoCmd) play(ctx context.Context, s *stage, std command.Streams) (account, error) {
	reader, err := openReader(s.kafka(), shards)
	if err != nil {
		return account{}, err
	}
	defer reader.Close()
	colour, width := screen(std)
	d := demo{
		farm: s.farm, reader: reader, begin: time.Now(),
		view: newView(std.Out, colour, width),
	}
	d.view.intro(fmt.Sprintf("between a simulated farm and an embedded broker · %d workers, %g times as fast as life, seed %d", c.Workers, c.Speed, c.Seed), s.addresses())

	run, stop := start(func(ctx context.Context) error {
		return farmwire.Run(ctx, s.farmwire(c.Workers, c.staleness()), warnings(std.Err))
	})
	err = d.follow(ctx, run, c.Duration)
	d.ended = time.Now()
	if err == nil {
		err = d.catchUp(run)
	}
	err = errors.Join(err, stop())
	if err != nil {
		return account{}, err
	}
	a := d.account()
	a.Calls, a.Ran = s.calls(), d.ended.Sub(d.begin)
	d.view.account(a)
	return a, nil
}

// staleness is as quick to a farm at this speed as the default is to a real one, within reason.
func (c *demoCmd) staleness() time.Duration {
	return max(time.Duration(15*float64(time.Second)/c.Speed), 300*time.Millisecond)
}

// start runs f until stop is called, which waits for it and returns its error. The context ends when f does.
func start(f func(context.Context) error) (running context.Context, stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	running, ended := context.WithCancel(context.Background())
	var err error
	go func() {
		defer ended()
		err = f(ctx)
	}()
	return running, func() error {
		cancel()
		<-running.Done()
		return err
	}
}

// warnings logs to w what an operator should look at; the rest would disturb the view.
func warnings(w io.Writer) *zap.Logger {
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	encoding.CallerKey, encoding.StacktraceKey = "", ""
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(w)), zap.WarnLevel))
}
