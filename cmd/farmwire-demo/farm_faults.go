package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"farmwire/poller/farmtest"
)

// faultKinds are the faults that can be asked for, each with the probability and the delay that it has by default.
func faultKinds() []farmtest.Fault {
	const second = time.Second
	return []farmtest.Fault{
		{Kind: farmtest.Slow, Probability: 0.05, Delay: 2 * second},
		{Kind: farmtest.Hang, Probability: 0.005, Delay: 30 * second},
		{Kind: farmtest.Cut, Probability: 0.01},
		{Kind: farmtest.Reset, Probability: 0.01},
		{Kind: farmtest.Truncated, Probability: 0.01},
		{Kind: farmtest.NotJSON, Probability: 0.01},
		{Kind: farmtest.EmptyBody, Probability: 0.01},
		{Kind: farmtest.Throttled, Probability: 0.02, Delay: second},
		{Kind: farmtest.ThrottledBare, Probability: 0.01},
		{Kind: farmtest.ThrottledDate, Probability: 0.005, Delay: second},
		{Kind: farmtest.ServerError, Probability: 0.01},
		{Kind: farmtest.Unavailable, Probability: 0.01},
		{Kind: farmtest.Expired, Probability: 0.002},
		{Kind: farmtest.Denied, Probability: 0.002},
		{Kind: farmtest.RepeatedToken, Probability: 0.01},
		{Kind: farmtest.TokenRing, Probability: 0.01},
		{Kind: farmtest.EndlessPages, Probability: 0.005, N: 50},
		{Kind: farmtest.ListAbsent, Probability: 0.01},
		{Kind: farmtest.ListNull, Probability: 0.01},
		{Kind: farmtest.EntryIncomplete, Probability: 0.01},
		{Kind: farmtest.EntryNull, Probability: 0.01},
		{Kind: farmtest.EpochTime, Probability: 0.01},
		{Kind: farmtest.PagesShift, Probability: 0.02},
		{Kind: farmtest.UnknownFields, Probability: 0.1},
		{Kind: farmtest.StaleEnds, Probability: 0.05, Delay: 5 * second},
		{Kind: farmtest.StaleStatuses, Probability: 0.05, Delay: 5 * second},
		{Kind: farmtest.Missing, Probability: 0.02, Delay: 5 * second},
		{Kind: farmtest.ItemServerError, Probability: 0.02},
		{Kind: farmtest.ItemInvalid, Probability: 0.02},
		{Kind: farmtest.ItemElsewhere, Probability: 0.02},
		{Kind: farmtest.ItemUnknownCode, Probability: 0.02},
		{Kind: farmtest.ItemOmitted, Probability: 0.02},
		{Kind: farmtest.LateShow, Probability: 0.1, Delay: 2 * second},
		{Kind: farmtest.EndWithoutTime, Probability: 0.05, Delay: 2 * second},
		{Kind: farmtest.EndTimeFirst, Probability: 0.05, Delay: 2 * second},
	}
}

// faultNames lists the kinds for the help.
func faultNames() string {
	var names []string
	for _, f := range faultKinds() {
		names = append(names, string(f.Kind))
	}
	return strings.Join(names, ", ")
}

// parseFaults reads the values of --faults. Of two for one kind both hold.
func parseFaults(values []string) ([]farmtest.Fault, error) {
	var faults []farmtest.Fault
	for _, value := range values {
		if value == "mixed" {
			faults = append(faults, faultKinds()...)
			continue
		}
		fault, err := parseFault(value)
		if err != nil {
			return nil, fmt.Errorf("--faults %s: %w", value, err)
		}
		faults = append(faults, fault)
	}
	return faults, nil
}

// parseFault reads KIND, KIND=PROBABILITY or KIND=PROBABILITY/DELAY.
func parseFault(value string) (farmtest.Fault, error) {
	kind, rest, given := strings.Cut(value, "=")
	kinds := faultKinds()
	i := slices.IndexFunc(kinds, func(f farmtest.Fault) bool { return string(f.Kind) == kind })
	if i < 0 {
		return farmtest.Fault{}, fmt.Errorf("there is no such fault; there are mixed, %s", faultNames())
	}
	fault := kinds[i]
	if !given {
		return fault, nil
	}
	probability, delay, delayed := strings.Cut(rest, "/")
	var err error
	fault.Probability, err = strconv.ParseFloat(probability, 64)
	if err != nil || fault.Probability <= 0 || fault.Probability > 1 {
		return farmtest.Fault{}, fmt.Errorf("the probability must be above 0 and at most 1")
	}
	if !delayed {
		return fault, nil
	}
	if fault.Delay, err = time.ParseDuration(delay); err != nil || fault.Delay < 0 {
		return farmtest.Fault{}, fmt.Errorf("the delay must be a duration, as 2s")
	}
	return fault, nil
}
