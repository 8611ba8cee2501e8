package main

import (
	"errors"
	"fmt"
	"math"
	"time"

	"farmwire/poller/plan"
)

type planCmd struct {
	Workers         number         `required:"" placeholder:"N" help:"Workers of all fleets that are watched."`
	SessionsPerHour float64        `required:"" placeholder:"N" help:"Sessions that start in an hour, on all of these workers together."`
	SessionLength   time.Duration  `required:"" placeholder:"DURATION" help:"The mean length of a session, for example 10m."`
	LengthSpread    float64        `default:"0.3" placeholder:"N" help:"How much the lengths of the sessions of a queue differ: their standard deviation divided by their mean. 0.1: they are much alike; 1: anything can be."`
	Pages           float64        `default:"1" placeholder:"N" help:"Pages of 100 sessions of a worker's complete listing: the mean of the metric farmwire_listing_pages."`
	PagesRead       *float64       `placeholder:"N" help:"Pages of it that are read for each start. Give 1 if the service lists the newest sessions first, so that a listing can stop at what is known. Default: all."`
	APIRate         float64        `name:"api-rate" default:"10" help:"Requests a second to the Deadline Cloud API. It does not count if a delay is wanted."`
	Followed        float64        `default:"0" placeholder:"SHARE" help:"The share of the sessions that start within 15 s after another one has ended on the same worker, from 0 to 1."`
	AtOnce          float64        `default:"0" placeholder:"SHARE" help:"The share of the sessions that start on a worker that has an open session, from 0 to 1."`
	Burst           float64        `default:"1" placeholder:"N" help:"Sessions that start together."`
	Jobs            *float64       `placeholder:"N" help:"The number of active jobs. A job is active as long as new sessions of the job start. 0: Farmwire cannot list the sessions of a job, because ListSessions is denied. Default: one job for every 50 workers."`
	WantStarts      *time.Duration `placeholder:"DURATION" help:"Find the lowest rate at which starts are known after this time in the mean."`
	WantEnds        *time.Duration `placeholder:"DURATION" help:"Find the lowest rate at which ends are known after this time in the mean."`
	Output          string         `enum:"text,json" default:"text" help:"Print this form. text: for people. json: one object, in which times are in seconds."`
}

// Help returns what --help prints above the flags.
func (planCmd) Help() string {
	return `It says how soon Farmwire can be expected to see the starts and the ends of sessions with a rate of requests, and what the requests are used for. With --want-starts or --want-ends it finds the lowest rate that gives these delays. It asks neither AWS nor Kafka: it is a formula, and the output says what it assumes.

It promises nothing where the formula does not hold: if a listing for each start takes six tenths of the requests or more, and for starts if nothing announces more than one in a hundred of them.

The exit code is 0 if all delays are told, 1 if one of them cannot be promised or no rate gives what is wanted (the delays that can be promised are printed all the same), and 2 if the flags are refused.`
}

// Run prints what can be expected.
func (c planCmd) Run(std *streams) error {
	if err := c.check(); err != nil {
		return usageError{err}
	}
	farm, rate := c.farm(), c.APIRate
	if wanted := c.wanted(); wanted != (plan.Delays{}) {
		lowest, err := plan.RateFor(farm, wanted)
		if err != nil {
			return fmt.Errorf("--want-starts and --want-ends: %w", err)
		}
		rate = plan.RoundUp(lowest)
	}
	expected, err := plan.Expect(farm, rate)
	refusal, refused := errors.AsType[*plan.Refusal](err)
	switch {
	case err != nil && !refused:
		return usageError{err}
	case refused && refusal.Reason == plan.TooMuchLoad:
		return err
	}
	write := writePlan
	if c.Output == "json" {
		write = writePlanJSON
	}
	return errors.Join(write(std.out, farm, rate, expected), err)
}

// farm returns what the flags say of the farm.
func (c planCmd) farm() plan.Farm {
	f := plan.Farm{
		Workers: int(c.Workers), Starts: c.SessionsPerHour / time.Hour.Seconds(), Length: c.SessionLength, Spread: c.LengthSpread,
		Pages: c.Pages, Followed: c.Followed, AtOnce: c.AtOnce, Burst: c.Burst,
	}
	if c.PagesRead != nil {
		f.PagesRead = *c.PagesRead
	}
	if c.Jobs != nil {
		f.Jobs = *c.Jobs
		if f.Jobs == 0 {
			f.Jobs = math.Inf(1)
		}
	}
	return f
}

// wanted returns the delays that the flags want.
func (c planCmd) wanted() (d plan.Delays) {
	if c.WantStarts != nil {
		d.Starts.Mean = *c.WantStarts
	}
	if c.WantEnds != nil {
		d.Ends.Mean = *c.WantEnds
	}
	return d
}

// check finds wrong flags.
func (c planCmd) check() error {
	const most = 1e9 // more is a slip
	isNumber := func(x, least float64) bool { return x >= least && x <= most }
	isShare := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case !isNumber(float64(c.Workers), 1):
		return fmt.Errorf("--workers is %d: give at least 1, and at most %g", c.Workers, most)
	case !(c.SessionsPerHour > 0 && c.SessionsPerHour <= most):
		return fmt.Errorf("--sessions-per-hour is %v: give a number above 0, and at most %g", c.SessionsPerHour, most)
	case c.SessionLength <= 0:
		return errors.New("--session-length must be above 0, for example 10m")
	case !(c.LengthSpread > 0) || math.IsInf(c.LengthSpread, 0):
		return fmt.Errorf("--length-spread is %v: give a number above 0", c.LengthSpread)
	case !isNumber(c.Pages, 1):
		return fmt.Errorf("--pages is %v: give at least 1, and at most %g", c.Pages, most)
	case c.PagesRead != nil && !(*c.PagesRead > 0 && *c.PagesRead <= c.Pages):
		return fmt.Errorf("--pages-read is %v: give a number above 0, and at most that of --pages", *c.PagesRead)
	case !(c.APIRate > 0) || math.IsInf(c.APIRate, 0):
		return fmt.Errorf("--api-rate is %v: give a number of requests a second above 0", c.APIRate)
	case !isShare(c.Followed) || !isShare(c.AtOnce):
		return errors.New("--followed and --at-once must be from 0 to 1")
	case !isNumber(c.Burst, 1):
		return fmt.Errorf("--burst is %v: give at least 1, and at most %g", c.Burst, most)
	case c.Jobs != nil && !isNumber(*c.Jobs, 0):
		return fmt.Errorf("--jobs is %v: give at least 0, and at most %g", *c.Jobs, most)
	case c.WantStarts != nil && *c.WantStarts <= 0 || c.WantEnds != nil && *c.WantEnds <= 0:
		return errors.New("--want-starts and --want-ends must be above 0, for example 20s")
	}
	return nil
}
