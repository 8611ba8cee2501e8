package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"farmwire/poller/farmtest"
)

// flags say what a campaign does.
type flags struct {
	Seed           uint64        `default:"1" help:"Decides the life of the farm and the order of the disturbances."`
	Duration       time.Duration `default:"30m" help:"Nothing is disturbed after this time, even if some of the plan is left."`
	Kills          int           `default:"20" help:"How often an instance receives SIGKILL."`
	Stops          int           `default:"4" help:"How often an instance receives SIGSTOP, and SIGCONT when others own its shards; needs two instances."`
	BrokerKills    int           `name:"broker-kills" default:"2" help:"How often a broker receives SIGKILL. It is started again."`
	Cuts           int           `default:"6" help:"How often all connections to a broker or to the API are reset."`
	Freezes        int           `default:"3" help:"How often these connections pass nothing, or no answers, for a while before they are reset."`
	Restarts       int           `default:"2" help:"How often all instances are restarted gracefully."`
	LateProduces   int           `name:"late-produces" help:"Produce requests that are held back until their transaction was aborted and the next one has begun; each takes a minute."`
	LateEndTxns    int           `name:"late-endtxns" help:"EndTxn requests of which a copy arrives in the middle of a later transaction of the same id. With --brokers 3 that is between two produce requests."`
	HeldHeartbeats int           `name:"held-heartbeats" help:"How often the heartbeats of an instance are held back until others own its shards, while it goes on publishing; needs two instances."`
	APIOutages     int           `name:"api-outages" help:"How often all requests to the API fail, or are not answered, for a minute and a half longer than --gap-after, while other disturbances go on."`
	DeniedFleets   int           `name:"denied-fleets" help:"How often everything about a fleet is denied for as long."`
	HangingWorkers int           `name:"hanging-workers" help:"How often some more workers appear whose listings are never answered, for as long. Then they are deleted."`
	KafkaOutages   int           `name:"kafka-outages" help:"How often no broker is reached for ten seconds longer than --gap-after."`
	Absences       int           `help:"How often no instance runs for 25 seconds."`
	Pause          time.Duration `help:"How long the instances go on after each disturbance. With a low --api-rate they need some seconds to list anything."`
	Calm           time.Duration `help:"How long the farm and the instances go on after the last disturbance."`

	Brokers       int           `enum:"1,3" default:"1" help:"Brokers of the cluster, 1 or 3."`
	Instances     int           `default:"2" help:"Instances of farmwire, 1 to 3."`
	Static        bool          `help:"Instances are static members of the group (--instance-id): a killed one returns without a rebalance."`
	Workers       int           `default:"60" help:"Approximate number of workers of the farm."`
	Sessions      int           `help:"Approximate number of open sessions; 0: half as many again as workers. Statuses are asked for of workers without a session."`
	History       float64       `default:"3" help:"Mean number of sessions of a worker that ended before the start. With several pages of them listings may stop early."`
	Speed         float64       `default:"100" help:"How many times faster than a real farm the simulated one lives."`
	Faults        string        `enum:"none,all,stale" default:"all" help:"Faults of the API: none; all but stale reads; or stale for these, too: then only starts, ends and targets are checked."`
	Fault         []string      `placeholder:"KIND[=P[/DELAY]][@OPERATION]" help:"Further faults of the API, as for farmwire-demo farm, of all operations or of one."`
	Order         string        `enum:"newest,oldest,random" default:"random" help:"Order of the API's listings. Only where the newest comes first are listings stopped early, and then only with small pages."`
	JobSize       int           `name:"job-size" help:"Mean number of sessions of a job, one job after the other; the sizes differ widely. 0: a few, and several at a time."`
	PageSize      int           `name:"page-size" default:"10" help:"Most entries of a page of the API, 1 to 100."`
	HistoryPage   int           `name:"history-page" help:"Most sessions of a page of ListSessionsForWorker; 0: --page-size. With few, most listings have several pages, and stop early."`
	Churn         float64       `default:"0.02" help:"Share of the workers that are deleted each minute, even with open sessions."`
	Grace         time.Duration `default:"100s" help:"No worker is deleted sooner after its last session began, and whatever could be seen for 90% of this time must be published. With many kills use 4m: an instance that lives for seconds hardly polls."`
	JudgeListings bool          `name:"judge-listings" help:"Demand a start only if a complete listing showed it to an instance that then lived for three seconds, or two complete listings showed it. For instances that live for seconds, which no --grace suits."`
	Initial       string        `enum:"open,all,none" default:"open" help:"farmwire's --initial."`

	APIRate        []float64     `name:"api-rate" default:"120" help:"farmwire's --api-rate, of one instance after the other. With a low one that instance sweeps, with a high one it lists the workers in turn."`
	Staleness      time.Duration `default:"1s" help:"farmwire's --staleness."`
	Discovery      time.Duration `default:"3s" help:"farmwire's --discovery."`
	GapAfter       time.Duration `name:"gap-after" default:"5s" help:"farmwire's --gap-after."`
	SessionTimeout time.Duration `default:"2s" help:"farmwire's --session-timeout, at least 500ms."`
	Settle         time.Duration `default:"15s" help:"How long the farm goes on without faults and disturbances before everything must have been published."`
	Farmwire       string        `placeholder:"PATH" help:"The farmwire to run. By default it is built from this module."`
	Wrong          []string      `placeholder:"NAME" help:"Try these wrong publishers instead, each in its own campaign; all: every one."`
	Right          bool          `help:"With --wrong: also try the right publisher in their campaigns, at the same pace. Nothing must be found."`
	Table          string        `placeholder:"FILE" help:"With --wrong: keep the results for this commit in a table (Markdown), and try only publishers that it lacks."`
	Cover          bool          `help:"Fail if something was not tried: an operation, its denial or its failure, stale statuses, a strategy, or a listing that stops early."`
	Keep           bool          `help:"Keep logs, topics and truth even if nothing is wrong."`
}

// Validate is called by kong.
func (f *flags) Validate() error {
	switch {
	case f.Instances < 1 || f.Instances > 3:
		return errors.New("--instances must be 1 to 3")
	case f.Stops > 0 && f.Instances < 2:
		return errors.New("--stops needs --instances 2 or 3: another instance must take over")
	case f.HeldHeartbeats > 0 && f.Instances < 2:
		return errors.New("--held-heartbeats needs --instances 2 or 3: another instance must take over")
	case f.Table != "" && len(f.Wrong) == 0, f.Right && len(f.Wrong) == 0:
		return errors.New("--table and --right need --wrong")
	case len(f.APIRate) < 1:
		return errors.New("--api-rate needs a rate")
	case f.Workers < 1 || f.Speed <= 0:
		return errors.New("--workers must be at least 1, and --speed above 0")
	}
	_, err := furtherFaults(f.Fault)
	return err
}

// parseFlags reads the flags of a campaign.
func parseFlags(args []string) (*flags, error) {
	var f flags
	parser, err := kong.New(&f, kong.Exit(func(int) {}))
	if err != nil {
		return nil, err
	}
	_, err = parser.Parse(args)
	return &f, err
}

// String is the flags that repeat the campaign. What processes do at which moment differs all the same.
func (f *flags) String() string {
	text := fmt.Sprintf("--seed %d --kills %d --stops %d --broker-kills %d --cuts %d --freezes %d --restarts %d --late-produces %d --late-endtxns %d --held-heartbeats %d --brokers %d --instances %d --workers %d --sessions %d --history %g --speed %g --faults %s --initial %s",
		f.Seed, f.Kills, f.Stops, f.BrokerKills, f.Cuts, f.Freezes, f.Restarts, f.LateProduces, f.LateEndTxns, f.HeldHeartbeats, f.Brokers, f.Instances, f.Workers, f.Sessions, f.History, f.Speed, f.Faults, f.Initial)
	if f.Static {
		text += " --static"
	}
	if f.JudgeListings {
		text += " --judge-listings"
	}
	for _, rate := range f.APIRate {
		text += fmt.Sprintf(" --api-rate %g", rate)
	}
	if f.Cover {
		text += " --cover"
	}
	for _, fault := range f.Fault {
		text += " --fault " + fault
	}
	return text + fmt.Sprintf(" --pause %s --calm %s --order %s --job-size %d --page-size %d --history-page %d --churn %g --grace %s --staleness %s --discovery %s --gap-after %s --session-timeout %s --api-outages %d --denied-fleets %d --hanging-workers %d --kafka-outages %d --absences %d", f.Pause, f.Calm, f.Order, f.JobSize, f.PageSize, f.HistoryPage, f.Churn, f.Grace, f.Staleness, f.Discovery, f.GapAfter, f.SessionTimeout,
		f.APIOutages, f.DeniedFleets, f.HangingWorkers, f.KafkaOutages, f.Absences)
}

// furtherFaults reads the values of --fault.
func furtherFaults(values []string) ([]farmtest.Fault, error) {
	var faults []farmtest.Fault
	for _, value := range values {
		fault, operation, _ := strings.Cut(value, "@")
		more, err := farmtest.ParseFault(fault)
		if err != nil {
			return nil, fmt.Errorf("--fault %s: %w", value, err)
		}
		for i := range more {
			if operation != "" {
				more[i].Operation = farmtest.Operation(operation)
			}
		}
		faults = append(faults, more...)
	}
	return faults, nil
}
