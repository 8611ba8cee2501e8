package main

import (
	"io"
	"math"

	"farmwire/poller/plan"
)

// planJSON is the form of a plan as JSON. Times are in seconds, and rates are requests a second.
type planJSON struct {
	Rate       float64      `json:"rate"`
	Load       float64      `json:"load"`
	RoundRobin bool         `json:"roundRobin"`
	Open       float64      `json:"openSessions"`
	Starts     *delayJSON   `json:"starts"` // null: not known
	Ends       *delayJSON   `json:"ends"`
	Rounds     roundsJSON   `json:"rounds"`
	Requests   requestsJSON `json:"requests"`
}

type delayJSON struct {
	Mean float64 `json:"mean"`
	P99  float64 `json:"p99"`
}

type roundsJSON struct {
	Workers  float64 `json:"workers"`
	Sessions float64 `json:"sessions"`
	Jobs     float64 `json:"jobs,omitempty"` // 0: they are not listed
}

type requestsJSON struct {
	Discovery float64 `json:"discovery"`
	Listings  float64 `json:"listings"`
	Statuses  float64 `json:"statuses"`
	Sessions  float64 `json:"sessions"`
	Jobs      float64 `json:"jobs"`
	Rest      float64 `json:"rest"`
}

// writePlanJSON writes the plan as JSON.
func writePlanJSON(out io.Writer, f plan.Farm, rate float64, p plan.Plan) error {
	exact := func(x float64) float64 { return math.Round(x*1000) / 1000 }
	delay := func(d plan.Delay) *delayJSON {
		if d == (plan.Delay{}) {
			return nil
		}
		return &delayJSON{exact(d.Mean.Seconds()), exact(d.P99.Seconds())}
	}
	rounds := roundsJSON{Workers: exact(p.WorkerRound.Seconds()), Sessions: exact(p.SessionRound.Seconds())}
	if listsJobs(rate, p) {
		rounds.Jobs = exact(p.JobRound.Seconds())
	}
	text, err := encode(planJSON{
		Rate: rate, Load: exact(p.Load), RoundRobin: p.RoundRobin, Open: exact(f.Open()),
		Starts: delay(p.Starts), Ends: delay(p.Ends),
		Rounds: rounds,
		Requests: requestsJSON{
			Discovery: exact(p.Uses.Discovery), Listings: exact(p.Uses.Listings), Statuses: exact(p.Uses.Statuses),
			Sessions: exact(p.Uses.Sessions), Jobs: exact(p.Uses.Jobs), Rest: exact(p.Uses.Rest),
		},
	}, "    ")
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}
