package main

import (
	"context"
	"time"

	"farmwire/cmd/farmwire-demo/check"
)

// checkCmd checks a folder with the dumps of a chaos run, or of any other.
type checkCmd struct {
	Dir        string        `arg:"" help:"Folder with events.txt, ended.txt and state.txt, as a chaos run keeps them, and truth.jsonl."`
	Partitions int           `default:"12" help:"Partitions of each topic."`
	Region     string        `default:"eu-west-1" help:"The region that the events name."`
	Until      time.Time     `placeholder:"TIME" help:"What could be shown by then must have been published (RFC 3339). Default: now, so everything."`
	Grace      time.Duration `default:"90s" help:"What could be shown for so long must have been seen."`
	Judge      bool          `name:"judge-listings" help:"As for chaos; needs harm.jsonl, too."`
	Each       int           `default:"20" help:"How many anomalies of each kind are printed."`
}

// Run returns errAnomalies if anything is wrong.
func (c *checkCmd) Run(_ context.Context, std streams) error {
	until := c.Until
	if until.IsZero() {
		until = time.Now()
	}
	report, err := checkDumps(c.Dir, c.Judge, check.Input{Region: c.Region, Partitions: c.Partitions, Until: until, Grace: c.Grace})
	if err != nil {
		return err
	}
	if err := report.Print(std.out, c.Each); err != nil {
		return err
	}
	if report.Total() > 0 {
		return errAnomalies
	}
	return nil
}
