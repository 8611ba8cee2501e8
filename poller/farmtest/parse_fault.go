package farmtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// everyFault is the text for the configuration of [AllFaults].
const everyFault = "all"

// FaultNames lists the kinds of faults that [ParseFault] knows, separated by commas.
func FaultNames() string {
	var names []string
	for _, f := range AllFaults(0).Faults {
		if name := string(f.Kind); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// ParseFaults returns the configuration of a farm with the faults that the texts describe. The single text "all"
// means [AllFaults], which also limits the rates of calls, skews the clock and makes pages small. Every other text
// is parsed by [ParseFault].
func ParseFaults(seed uint64, texts []string) (Config, error) {
	if len(texts) == 1 && texts[0] == everyFault {
		return AllFaults(seed), nil
	}
	cfg := Config{Seed: seed}
	for _, text := range texts {
		faults, err := ParseFault(text)
		if err != nil {
			return Config{}, err
		}
		cfg.Faults = append(cfg.Faults, faults...)
	}
	return cfg, nil
}

// ParseFault parses KIND, KIND=PROBABILITY or KIND=PROBABILITY/DELAY. A kind alone means all rules that
// [AllFaults] has of that kind. With a probability, which is above 0 and at most 1, the result is one rule. Its
// delay, such as 2s, is by default that of the first of those rules.
func ParseFault(text string) ([]Fault, error) {
	kind, rest, given := strings.Cut(text, "=")
	rules := slices.DeleteFunc(AllFaults(0).Faults, func(f Fault) bool { return string(f.Kind) != kind })
	if len(rules) == 0 {
		return nil, fmt.Errorf("fault %q is unknown: the faults are %s alone, and %s", text, everyFault, FaultNames())
	}
	if !given {
		return rules, nil
	}
	fault := Fault{Kind: rules[0].Kind, Delay: rules[0].Delay, N: rules[0].N}
	probability, delay, delayed := strings.Cut(rest, "/")
	var err error
	fault.Probability, err = strconv.ParseFloat(probability, 64)
	if err != nil || !(fault.Probability > 0 && fault.Probability <= 1) {
		return nil, fmt.Errorf("fault %q: the probability must be above 0 and at most 1", text)
	}
	if delayed {
		if fault.Delay, err = time.ParseDuration(delay); err != nil || fault.Delay < 0 {
			return nil, fmt.Errorf("fault %q: the delay must be a duration such as 2s", text)
		}
	}
	return []Fault{fault}, nil
}
