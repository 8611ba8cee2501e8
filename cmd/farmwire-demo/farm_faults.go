package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"farmwire/poller/farmtest"
)

// allFaults is the value of --faults that turns on everything that can go wrong.
const allFaults = "all"

// faultNames lists the kinds of faults for the help.
func faultNames() string {
	var names []string
	for _, f := range farmtest.AllFaults(0).Faults {
		if name := string(f.Kind); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// faulty is a farm's configuration with the faults that the values of --faults name: all of them with hidden
// quotas, a skewed clock and small pages, or only some.
func faulty(seed uint64, values []string) (farmtest.Config, error) {
	if slices.Contains(values, allFaults) && len(values) == 1 {
		return farmtest.AllFaults(seed), nil
	}
	cfg := farmtest.Config{Seed: seed}
	for _, value := range values {
		faults, err := parseFault(value)
		if err != nil {
			return farmtest.Config{}, fmt.Errorf("--faults %s: %w", value, err)
		}
		cfg.Faults = append(cfg.Faults, faults...)
	}
	return cfg, nil
}

// parseFault reads KIND, which strikes as it does among all, KIND=PROBABILITY or KIND=PROBABILITY/DELAY.
func parseFault(value string) ([]farmtest.Fault, error) {
	kind, rest, given := strings.Cut(value, "=")
	rules := farmtest.AllFaults(0).Faults
	rules = slices.DeleteFunc(rules, func(f farmtest.Fault) bool { return string(f.Kind) != kind })
	if len(rules) == 0 {
		return nil, fmt.Errorf("there is no such fault; there is %s alone, and %s", allFaults, faultNames())
	}
	if !given {
		return rules, nil
	}
	fault := farmtest.Fault{Kind: rules[0].Kind, Delay: rules[0].Delay, N: rules[0].N}
	probability, delay, delayed := strings.Cut(rest, "/")
	var err error
	fault.Probability, err = strconv.ParseFloat(probability, 64)
	if err != nil || !(fault.Probability > 0 && fault.Probability <= 1) {
		return nil, errors.New("the probability must be above 0 and at most 1")
	}
	if delayed {
		if fault.Delay, err = time.ParseDuration(delay); err != nil || fault.Delay < 0 {
			return nil, errors.New("the delay must be a duration, as 2s")
		}
	}
	return []farmtest.Fault{fault}, nil
}
