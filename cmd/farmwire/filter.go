package main

import (
	"errors"
	"fmt"
	"slices"

	"farmwire/consumer"
)

// filterFlags select sessions. Several ids of one kind select the sessions of any of them.
type filterFlags struct {
	Farm    wordList `placeholder:"ID,..." help:"Only sessions of these farms, separated by commas."`
	Fleet   wordList `placeholder:"ID,..." help:"Only sessions of these fleets, separated by commas."`
	Worker  wordList `placeholder:"ID,..." help:"Only sessions of these workers, separated by commas."`
	Queue   wordList `placeholder:"ID,..." help:"Only sessions of these queues, separated by commas."`
	Job     wordList `placeholder:"ID,..." help:"Only sessions of these jobs, separated by commas."`
	Session wordList `placeholder:"ID,..." help:"Only these sessions, separated by commas."`
}

// check refuses ids that no session can have.
func (f filterFlags) check() error {
	var errs []error
	for _, of := range []struct {
		flag string
		ids  wordList
	}{{"farm", f.Farm}, {"fleet", f.Fleet}, {"worker", f.Worker}, {"queue", f.Queue}, {"job", f.Job}, {"session", f.Session}} {
		if slices.Contains(of.ids, "") {
			errs = append(errs, fmt.Errorf("--%s has an empty id: separate ids by one comma", of.flag))
		}
	}
	return errors.Join(errs...)
}

// filter returns what the flags select.
func (f filterFlags) filter() consumer.Filter {
	return consumer.Filter{Farms: f.Farm, Fleets: f.Fleet, Workers: f.Worker, Queues: f.Queue, Jobs: f.Job, Sessions: f.Session}
}
