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

// demoCmd is the command that runs the demo. It fails if the account at its end shows a missed event.
type demoCmd struct {
	Workers  int           `default:"12" help:"Simulate about this many workers."`
	Speed    float64       `default:"30" help:"Let the farm live this many times as fast as a real one. At 30, a session of 20 minutes takes 40 seconds."`
	Seed     uint64        `default:"1" help:"Simulate with this seed of the random numbers. The same seed gives the same sessions."`
	Duration time.Duration `help:"Stop after this time, such as 30s. Default: run until Ctrl-C." placeholder:"TIME"`
}

// Validate finds wrong flags.
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
		return command.ErrReported // the account has reported it
	}
	return nil
}

// play runs Farmwire on the stage, prints what a consumer reads, and returns the account.
func (c *demoCmd) play(ctx context.Context, s *stage, std command.Streams) (account, error) {
	reader, err := s.openReader(ctx)
	if err != nil {
		return account{}, err
	}
	defer reader.Close()
	d := demo{
		farm: s.farm, looks: s.looks, reader: reader, begin: time.Now(),
		view: view.New(std.Out, view.Options{Width: view.Width(std.Out), Colour: view.HasColour(std.Out), Delay: delayMeaning}),
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

// staleness returns the default of farmwire, divided by the speed of the farm, and at least 300 ms.
func (c *demoCmd) staleness() time.Duration {
	return max(time.Duration(15*float64(time.Second)/c.Speed), 300*time.Millisecond)
}

// start calls f in another goroutine, with a context that ends when stop is called. Stop waits for f and returns its error.
// The context running ends when f returns.
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

// warnings returns a logger of warnings and errors. Other log lines would disturb the view.
func warnings(w io.Writer) *zap.Logger {
	encoding := zap.NewDevelopmentEncoderConfig()
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	encoding.CallerKey, encoding.StacktraceKey = "", ""
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.Lock(zapcore.AddSync(w)), zap.WarnLevel))
}
