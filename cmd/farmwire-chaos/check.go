package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"farmwire/cmd/command"
	"farmwire/cmd/farmwire-chaos/check"
)

// checkCmd checks a folder that a campaign has kept, or one of the same form.
type checkCmd struct {
	Dir        string        `arg:"" help:"Folder with events.txt, ended.txt, state.txt and coverage.txt as Apache's console consumer prints them, and truth.jsonl, requests.jsonl and disturbances.jsonl."`
	Partitions int           `default:"12" help:"Partitions of each topic."`
	Region     string        `default:"eu-west-1" help:"The AWS region in the events."`
	Until      time.Time     `placeholder:"TIME" help:"Whatever could be seen by then must have been published (RFC 3339). By default: now, so everything."`
	Grace      time.Duration `default:"90s" help:"Whatever could be seen for so long must have been published."`
	Judge      bool          `name:"judge-listings" help:"As for the campaign."`
	GapAfter   time.Duration `name:"gap-after" default:"5s" help:"As for the campaign."`
	Calm       time.Time     `placeholder:"TIME" help:"Nothing failed from then on (RFC 3339). By default: something may always have failed."`
	Each       int           `default:"20" help:"How many anomalies of each kind are printed."`
}

// Run returns [command.ErrReported] if anything is wrong.
func (c *checkCmd) Run(_ context.Context, std command.Streams) error {
	until := c.Until
	if until.IsZero() {
		until = time.Now()
	}
	report, err := checkFolder(c.Dir, check.Input{Region: c.Region, Partitions: c.Partitions, Until: until, Grace: c.Grace, JudgeListings: c.Judge,
		GapAfter: c.GapAfter, Calm: c.Calm, Fresh: freshOf(c.Calm)})
	if err != nil {
		return err
	}
	if err := report.Print(std.Out, c.Each); err != nil {
		return err
	}
	if report.Total() > 0 {
		return command.ErrReported
	}
	return nil
}

// Files that the farm writes.
const (
	truthFile    = "truth.jsonl"
	requestsFile = "requests.jsonl"
)

// checkFolder checks the topics in a folder, by the truth, the requests and the disturbances there.
func checkFolder(dir string, in check.Input) (*check.Report, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	inputs := map[string]*io.Reader{fileOf("events"): &in.Events, fileOf("ended"): &in.Ended, fileOf("state"): &in.State, fileOf("coverage"): &in.Coverage,
		truthFile: &in.Truth, requestsFile: &in.Requests, disturbancesFile: &in.Disturbances}
	for name, to := range inputs {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files, *to = append(files, f), f
	}
	return check.Run(in)
}

// fileOf is the file with the records of a topic.
func fileOf(topic string) string { return topic + ".txt" }

// freshOf is how old the watermark of changes may be when nothing has failed since a time: a heartbeat and two sweeps, which take
// seconds. It is 0 if there is no such time.
func freshOf(calm time.Time) time.Duration {
	const sweep = 5 * time.Second
	if calm.IsZero() {
		return 0
	}
	return time.Minute + 2*sweep
}
