package check

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Run checks. An error means that the input cannot be read. Anomalies are in the report.
func Run(in Input) (*Report, error) {
	if in.Grace == 0 {
		in.Grace = time.Minute
	}
	c := &checker{in: in, texts: interner{}, sessions: map[string]*session{}, watches: map[int]*watch{},
		logs: map[int]*shardLog{}, coverage: map[int]*shardCoverage{}}
	var err error
	c.farm, err = readTruth(in.Truth, func(id string, t trueSession) {
		c.sessions[id] = &session{id: id, truth: t}
	})
	if err != nil {
		return nil, err
	}
	if in.Disturbances != nil {
		if c.disturbances, err = readDisturbances(in.Disturbances); err != nil {
			return nil, err
		}
	}
	c.report.Counts.Sessions, c.report.Counts.StaleReads = len(c.sessions), c.farm.StaleReads
	for _, topic := range []struct {
		name string
		r    io.Reader
		f    func(record)
	}{{".events", in.Events, c.readEvent}, {".ended", in.Ended, c.readEnded}, {".state", in.State, c.readState}} {
		if err := eachRecord(topic.r, topic.f); err != nil {
			return nil, fmt.Errorf("%s: %w", topic.name, err)
		}
	}
	c.checkWatches()
	c.foldLogs()
	for _, id := range slices.Sorted(maps.Keys(c.sessions)) { // sorted, so that reports can be compared
		s := c.sessions[id]
		c.checkOrder(s)
		c.checkEvents(s)
		c.checkComplete(s)
		c.checkFold(s)
		c.checkEnded(s)
	}
	if err := c.checkCoverage(); err != nil {
		return nil, err
	}
	return &c.report, nil
}

// checkCoverage checks the coverage topic, if there is one, and what .state says of the logs.
func (c *checker) checkCoverage() (err error) {
	if c.in.Coverage != nil {
		if err := eachRecord(c.in.Coverage, c.readCoverage); err != nil {
			return fmt.Errorf(".coverage: %w", err)
		}
		if c.requests, err = readRequests(c.in.Requests, c.texts); err != nil {
			return err
		}
		c.checkWatermarks()
		c.checkGaps()
	}
	c.checkStoredChains()
	return nil
}
