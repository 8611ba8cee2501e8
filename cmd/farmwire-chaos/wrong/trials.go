package wrong

import (
	"context"
	"fmt"
	"strings"
	"time"

	"farmwire/cmd/farmwire-chaos/check"
)

// Run builds a publisher, runs the campaign of its flags with the seed, and returns what the check found.
type Run func(ctx context.Context, p Publisher, seed uint64) (*check.Report, error)

// Trials tries wrong publishers.
type Trials struct {
	seed     uint64
	run      Run
	tryRight bool
	right    map[string]string // what came of the right publisher, by campaign
	table    *Table
}

// NewTrials begins with the seed. With tryRight it also tries the right publisher in the campaigns of the wrong ones. A
// table, if not nil, keeps the trials, and what it has is not tried again.
func NewTrials(seed uint64, tryRight bool, table *Table, run Run) *Trials {
	return &Trials{seed: seed, run: run, tryRight: tryRight, right: map[string]string{}, table: table}
}

// Try tries one wrong publisher, unless the table has it. The right publisher is tried with the seed that caught the
// wrong one, and once for all wrong ones whose campaigns do not differ for it.
func (t *Trials) Try(ctx context.Context, p Publisher) (Trial, error) {
	if one, ok := t.table.find(p.Name); ok && (one.right != "" || !t.tryRight) {
		t.right[campaignOf(p, one.seed)] = one.right
		return one, nil
	}
	one, err := t.tryWrong(ctx, p)
	if err != nil {
		return one, err
	}
	if t.tryRight {
		campaign := campaignOf(p, one.seed)
		if t.right[campaign] == "" {
			if t.right[campaign], err = t.findRight(ctx, p, one.seed); err != nil {
				return one, err
			}
		}
		one.right = t.right[campaign]
	}
	return one, t.table.add(one)
}

// campaignOf names everything that a campaign of the right publisher depends on.
func campaignOf(p Publisher, seed uint64) string {
	return fmt.Sprintf("%d %q %+v", seed, p.Flags, p.right().edits)
}

// tryWrong runs a wrong publisher with up to three seeds, until it is caught.
func (t *Trials) tryWrong(ctx context.Context, p Publisher) (Trial, error) {
	const seeds = 3
	one := Trial{name: p.Name}
	for n := range uint64(seeds) {
		begun := time.Now()
		one.seed = t.seed + n
		report, err := t.run(ctx, p, one.seed)
		if err != nil {
			return one, err
		}
		one.found, one.took, one.caught = foundText(report), time.Since(begun), report.Has(p.Expect...)
		if one.caught {
			break
		}
	}
	return one, nil
}

// findRight runs the right publisher at the pace of a wrong one and says what was found.
func (t *Trials) findRight(ctx context.Context, p Publisher, seed uint64) (string, error) {
	report, err := t.run(ctx, p.right(), seed)
	switch {
	case err != nil:
		return "", err
	case report.Total() > 0:
		return "NOT CLEAN: " + foundText(report), nil
	}
	return clean, nil
}

func foundText(r *check.Report) string {
	var parts []string
	for _, kind := range check.Kinds() {
		if n := r.Found[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
