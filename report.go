package farmwire

import (
	"time"

	"farmwire/poller"
	"farmwire/status"
)

// report returns what the instance knows of itself now. It is cheap and safe for concurrent use.
func (i *instance) report() status.Report {
	r := status.Report{At: time.Now(), Region: i.config.Publisher.Region, DryRun: i.config.DryRun != nil, Stage: status.OpeningTopics, Waiting: i.waitingFor()}
	l := i.loop.Load()
	if l == nil {
		return r
	}
	state := l.poller.State()
	r.Stage, r.Group, r.Polling = status.Initializing, l.group(), polling(state)
	r.Polling.OtherAccount = l.accounts.any()
	r.Polling.Watermarks = l.watermarks()
	addOutlook(&r.Polling, i.outlook.current())
	r.Shards, r.AllShards = l.states.all(state.Unasked), l.shards
	if i.initialized.Load() {
		r.Stage, r.Waiting = status.Running, nil
	}
	return r
}

// watermarks returns how old the watermarks of the instance's shards are.
func (l *loop) watermarks() (w status.Watermarks) {
	ages, known := l.coverages.ages()
	for _, of := range [...]struct {
		age   time.Duration
		known bool
		to    **time.Duration
	}{
		{ages.Changes, known.Changes, &w.Changes},
		{ages.Announced, known.Announced, &w.Announced},
		{ages.Starts, known.Starts, &w.Starts},
	} {
		if of.known {
			*of.to = &of.age
		}
	}
	return w
}

// waitingFor returns why the stage has not passed yet, or nil if nothing has failed.
func (i *instance) waitingFor() error {
	if err := i.waiting.Load(); err != nil {
		return *err
	}
	return nil
}

// polling converts the poller's state into its part of the report.
func polling(s poller.State) status.Polling {
	p := status.Polling{
		Phase:                  phase(s.Phase),
		Answered:               s.Answered,
		FarmShown:              s.FarmShown,
		LastFailure:            string(s.LastFailure),
		Targets:                s.Targets,
		PendingTargets:         s.PendingTargets,
		Searched:               s.Searched,
		MissingFarms:           s.MissingFarms,
		MissingFleets:          s.MissingFleets,
		EmptyFarms:             s.EmptyFarms,
		CredentialsRefused:     s.CredentialsRefused,
		CredentialsUnavailable: s.CredentialsUnavailable,
		UnlistedCount:          s.UnlistedCount,
		LookupsFailing:         s.LookupsFailing,
		Missing:                s.Missing,
		Watched:                s.Watched,
		NeverListed:            s.NeverListed,
		OldestNeverListed:      s.OldestNeverListed,
		OldestLook:             s.OldestLook,
		Budget:                 status.Budget{Rate: s.Share, Staleness: s.Staleness},
		ThrottledRatio:         s.ThrottledRatio,
		Farms:                  s.Farms,
		Fleets:                 s.Fleets,
		Workers:                s.Workers,
		OpenSessions:           s.OpenSessions,
		SessionSeen:            s.SessionSeen,
		Operations:             make(map[string]status.Operation, len(s.Operations)),
	}
	addFailures(&p, s)
	for name, o := range s.Operations {
		failed := make(map[string]uint64, len(o.Failed))
		for reason, n := range o.Failed {
			failed[string(reason)] = n
		}
		p.Operations[name] = status.Operation{Answered: o.Answered, Failed: failed}
	}
	return p
}

// addFailures adds what fails at the moment.
func addFailures(p *status.Polling, s poller.State) {
	for _, f := range s.Discovery {
		p.Discovery = append(p.Discovery, status.Failure{FarmID: f.FarmID, FleetID: f.FleetID, Operation: f.Operation, Failures: f.Failures, Reason: string(f.Reason), Pending: f.Pending})
	}
	for _, w := range s.Unlisted {
		p.Unlisted = append(p.Unlisted, status.Failure{FarmID: w.FarmID, FleetID: w.FleetID, WorkerID: w.WorkerID, Operation: "ListSessionsForWorker", Failures: w.Failures, Reason: string(w.Reason)})
	}
	for _, o := range s.Failing {
		p.Failing = append(p.Failing, status.Outage{Operation: o.Operation, For: o.For, Reason: string(o.Reason)})
	}
}

func phase(p poller.Phase) status.Phase {
	switch p {
	case poller.Polling:
		return status.Started
	case poller.Ended:
		return status.Ended
	}
	return status.NotStarted
}
