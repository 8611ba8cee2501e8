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
	"farmwire/cmd/view"
	"farmwire/poller/farmtest"
)

// demoCmd is the demo. The account at its end decides the exit code.
type demoCmd struct {
	Workers  int           `default:"12" help:"About this many workers are on the farm."`
	Speed    float64       `default:"30" help:"The farm lives this many times as fast as a real one: at 30 a session of 20 minutes takes 40 seconds."`
	Seed     uint64        `default:"1" help:"The farm's life follows from this number: the same seed gives the same life."`
	Duration time.Duration `help:"End after this time. Default: at Ctrl-C." placeholder:"TIME"`
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
	if a.missed() {
		return command.ErrReported // by the account
	}
	return nil
}

// play runs Farmwire on the stage, prints what a consumer reads, and returns the account.
func (c *demoCmd) play(ctx context.Context, s *stage, std command.Streams) (account, error) {
	reader, err := openReader(s.kafka(), shards)
	if err != nil {
		return account{}, err
	}
	defer reader.Close()
	d := demo{
		farm: s.farm, looks: s.looks, reader: reader, begin: time.Now(),
		view: view.New(std.Out, view.Options{Width: view.Width(std.Out), Colour: view.HasColour(std.Out), Delays: true}),
	}
	title := fmt.Sprintf("between a simulated farm and an embedded broker · %d workers, %g times as fast as life, seed %d", c.Workers, c.Speed, c.Seed)
	if err := intro(d.view, title, s.addresses()); err != nil {
		return account{}, err
	}

	run, stop := start(func(ctx context.Context) error {
		return farmwire.Run(ctx, s.farmwire(c.Workers, c.staleness()), warnings(std.Err))
	})
	err = d.follow(ctx, run, c.Duration)
	d.ended = time.Now()
	calls := s.calls()
	if err == nil {
		err = d.catchUp(run)
	}
	a := d.account()
	if err := errors.Join(err, stop()); err != nil {
		return account{}, err
	}
	a.Calls, a.Ran, a.Speed = calls, d.ended.Sub(d.begin), c.Speed
	return a, a.print(d.view)
}

// staleness is to a farm at this speed what the default is to a real one, but at least 300 ms.
func (c *demoCmd) staleness() time.Duration {
	return max(time.Duration(15*float64(time.Second)/c.Speed), 300*time.Millisecond)
}

// start runs f until stop is called. Stop waits for f and returns its error. The context ends when f does.
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

// warnings returns a log of what an operator should look at. Anything else would disturb the view.
func warnings(w io.Writer) *zap.Logger {
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	encoding.CallerKey, encoding.StacktraceKey = "", ""
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(w)), zap.WarnLevel))
}
