package status

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	outageTold    = 10 * time.Second // an operation that gave no usable answer for longer is told
	outageLimit   = time.Minute      // for longer than this, it keeps the instance from being ready
	manyThrottled = 0.1              // from this part of all attempts on, throttling is told
)

// polling tells what is wrong with the requests to Deadline Cloud. An instance that owns no shard sends none, once a farm was
// shown.
func (r Report) polling() []Cause {
	p := r.Polling
	one := func(k Kind, progress bool, text string) []Cause {
		return []Cause{{Key: Key{Kind: k}, Progress: progress, Text: text}}
	}
	switch {
	case p.Phase == NotStarted:
		return one(KindPolling, true, "polling has not started")
	case p.Phase == Ended:
		return one(KindPolling, true, "polling has ended")
	case !p.Answered && p.Targets == 0 && p.LastFailure == "not_found":
		return one(KindAnswer, false, fmt.Sprintf("Deadline Cloud does not find the farms or fleets of the configuration in %s: check them, the region and the account", r.region()))
	case !p.Answered && p.Targets == 0 && p.LastFailure != "":
		return one(KindAnswer, false, "Deadline Cloud has not answered yet: "+words(p.LastFailure))
	case !p.Answered && p.Targets == 0:
		return one(KindAnswer, true, "Deadline Cloud has not answered yet")
	case !p.FarmShown && p.Targets == 0:
		return one(KindFarms, false, r.noFarm())
	case p.Targets == 0:
		return nil // no shard is owned
	}
	return slices.Concat(p.outages(), r.farms(), p.discovery(), p.workers(), p.lookups(), p.lateness())
}

// outages tells which operations give no usable answer at all, and why, if that is the credentials. Those
// that Farmwire can do without are told by lookups.
func (p Polling) outages() []Cause {
	var all []Cause
	credentials := Warning
	for _, o := range p.Failing {
		if isLookup(o.Operation) || isSpared(o.Operation) || !o.isTold() {
			continue
		}
		c := Cause{Key: Key{KindOutage, o.Operation + ": " + o.Reason}, Unnamed: p.isOfCredentials(o.Reason),
			Text: fmt.Sprintf("%s has given no usable answer for %s: %s", o.Operation, age(o.For), words(o.Reason))}
		if o.For < outageLimit {
			c.Severity = Warning
		}
		if c.Unnamed {
			credentials = min(credentials, c.Severity)
		}
		all = append(all, c)
	}
	if p.CredentialsRefused {
		all = append(all, Cause{Key: Key{Kind: KindCredentials}, Severity: credentials, Text: "the credentials are refused"})
	}
	if p.CredentialsUnavailable {
		all = append(all, Cause{Key: Key{KindCredentials, "fetch"}, Severity: credentials, Text: "the credentials cannot be fetched"})
	}
	return all
}

// isOfCredentials reports whether a request failed because of the credentials, which is told once.
func (p Polling) isOfCredentials(reason string) bool {
	return p.CredentialsRefused && reason == "credentials" || p.CredentialsUnavailable && reason == "credentials_unavailable"
}

// isTold reports whether the outage lasts long enough to be told.
func (o Outage) isTold() bool { return o.For >= outageTold }

func isLookup(operation string) bool {
	return operation == "BatchGetSession" || operation == "GetSession"
}

// isSpared reports whether everything is seen without the operation, but later.
func isSpared(operation string) bool {
	return operation == "BatchGetWorker" || operation == "ListSessions"
}

// farms tells what was expected and is not there. That is not known before everything was searched once.
func (r Report) farms() []Cause {
	p := r.Polling
	var all []Cause
	if p.OtherAccount {
		all = append(all, Cause{Key: Key{KindFarms, "stored"}, Text: "none of the farms that are stored in Kafka is listed: " +
			"the credentials are of another account, or may not see these farms"})
	}
	all = append(all, missing(KindMissingFarm, p.MissingFarms, p.Farms, "farm %s does not exist in this account and region")...)
	if p.PendingTargets > 0 {
		return all
	}
	if p.Farms == 0 && len(p.MissingFarms) == 0 && !p.OtherAccount {
		all = append(all, Cause{Key: Key{Kind: KindFarms}, Text: r.noFarm()})
	}
	all = append(all, missing(KindMissingFleet, p.MissingFleets, p.Fleets, "fleet %s is in none of the farms")...)
	var empty []Cause
	for _, farm := range p.EmptyFarms {
		empty = append(empty, Cause{Key: Key{KindEmptyFarm, farm}, Severity: Warning, Text: fmt.Sprintf("farm %s has no fleet to watch", farm)})
	}
	return append(all, bounded(empty, "farms")...)
}

// missing tells which farms or fleets were asked for and are not there. As long as others are, these are warnings, because
// they may have been deleted.
func missing(kind Kind, ids []string, others int, text string) []Cause {
	severity := Warning
	if others == 0 {
		severity = Unready
	}
	var all []Cause
	for _, id := range ids {
		all = append(all, Cause{Key: Key{kind, id}, Severity: severity, Text: fmt.Sprintf(text, id)})
	}
	return bounded(all, "of the configuration")
}

// noFarm says that Deadline Cloud lists no farm at all, and what the usual reasons are.
func (r Report) noFarm() string {
	return fmt.Sprintf("Deadline Cloud lists no farm in %s: check the region and the account, and whether the credentials may see the farms", r.region())
}

func (r Report) region() string { return cmp.Or(r.Region, "this region") }

// discovery tells which lists of farms, fleets and workers fail, and how many were never read.
func (p Polling) discovery() []Cause {
	all := bounded(p.failures(KindDiscovery, p.Discovery), "lists")
	if p.PendingTargets > 0 {
		all = append(all, Cause{Key: Key{Kind: KindPending}, Progress: len(p.Discovery) == 0, Severity: p.pendingSeverity(),
			Text: fmt.Sprintf("%d of %d lists of farms, fleets and workers have not been read yet", p.PendingTargets, p.Targets)})
	}
	return all
}

// pendingSeverity returns what it means that lists were never read. A farm or a fleet that was found after the start, or that
// cannot be looked at while others are, is only a warning.
func (p Polling) pendingSeverity() Severity {
	switch {
	case p.Searched:
		return Warning
	case p.PendingTargets == p.Targets:
		return Unready // nothing was found yet
	}
	fail := 0
	for _, f := range p.Discovery {
		if f.Pending && !slices.ContainsFunc(p.Failing, func(o Outage) bool { return o.Operation == f.Operation }) {
			fail++
		}
	}
	if fail >= p.PendingTargets {
		return Warning
	}
	return Unready
}

// workers tells how many workers cannot be listed. Notes name some of them.
func (p Polling) workers() []Cause {
	if p.UnlistedCount == 0 {
		return nil
	}
	named := p.failures(KindUnlisted, p.Unlisted)
	for i := range named {
		named[i].Severity = Note
	}
	all := Cause{Key: Key{Kind: KindUnlisted}, Severity: Warning, Text: fmt.Sprintf("%s cannot be listed", number(p.UnlistedCount, "worker"))}
	return append([]Cause{all}, named[:min(len(named), maxNamed)]...)
}

// lookups tells that sessions cannot be looked up one by one, and that operations are denied with which changes are seen sooner.
func (p Polling) lookups() []Cause {
	var all []Cause
	if p.LookupsFailing > 0 {
		all = append(all, Cause{Key: Key{Kind: KindLookups}, Severity: Warning, Text: fmt.Sprintf("the sessions of %s cannot be looked up", number(p.LookupsFailing, "worker"))})
	}
	if p.Missing > 0 {
		all = append(all, Cause{Key: Key{Kind: KindMissingSessions}, Severity: Warning,
			Text: fmt.Sprintf("the service says of %s that the queue, fleet or farm does not exist", number(p.Missing, "open session"))})
	}
	batch, single := p.denied("BatchGetSession"), p.denied("GetSession")
	c := Cause{Key: Key{Kind: KindLookupsDenied}}
	switch {
	case batch && single:
		c.Severity, c.Text = Warning, "BatchGetSession and GetSession are both denied: the end of a session whose worker was deleted is not published"
		all = append(all, c)
	case batch:
		c.Severity, c.Text = Note, "BatchGetSession is denied: ends are seen when workers are listed, and sessions that a listing lacks are looked up one by one with GetSession"
		all = append(all, c)
	}
	for _, o := range [...]struct{ operation, effect string }{
		{"BatchGetWorker", "the statuses of workers come from ListWorkers, and starts are seen later"},
		{"ListSessions", "workers are listed one by one, and bursts of starts are seen later"},
	} {
		if p.denied(o.operation) {
			all = append(all, Cause{Key: Key{KindLookupsDenied, o.operation}, Severity: Note, Text: o.operation + " is denied: " + o.effect})
		}
	}
	return all
}

// denied reports whether the last attempts of an operation were denied. Failing may be a second old, which matters at the end
// of a short dry run.
func (p Polling) denied(operation string) bool {
	if o := p.Operations[operation]; o.Answered == 0 && o.Failed["denied"] > 0 {
		return true
	}
	return slices.ContainsFunc(p.Failing, func(o Outage) bool { return o.Operation == operation && o.Reason == "denied" })
}

// lateness tells what comes late because of the rate.
func (p Polling) lateness() []Cause {
	var all []Cause
	if p.NeverListed > 0 {
		c := Cause{Key: Key{Kind: KindNeverListed}, Severity: Warning, Text: fmt.Sprintf("not listed yet: %d of %s; the first of them has waited for %s",
			p.NeverListed, number(p.Watched, "worker"), age(p.OldestNeverListed))}
		c.Progress = p.OldestNeverListed < 2*p.Budget.Staleness
		all = append(all, c)
	}
	if p.Budget.TooLow != nil {
		all = append(all, Cause{Key: Key{Kind: KindTooLow}, Severity: Warning, Text: p.Budget.words()})
	}
	if p.ThrottledRatio >= manyThrottled {
		all = append(all, Cause{Key: Key{Kind: KindThrottled}, Severity: Warning,
			Text: fmt.Sprintf("AWS has throttled %.0f %% of the requests of the last five minutes", 100*p.ThrottledRatio)})
	}
	return all
}

// words says why the rate is too low, and what follows.
func (b Budget) words() string {
	late := "late"
	if b.Late > 0 {
		late = fmt.Sprintf("up to %s late in the mean", age(b.Late))
	}
	return fmt.Sprintf("the rate is too low for the starts: %s; this instance may send %.3g; starts are seen %s, and ends by the sweep of open sessions",
		b.TooLow, b.Rate, late)
}

// failures returns a warning for each failure, sorted. Those that an outage tells already, or what is said of the
// credentials, are not named.
func (p Polling) failures(kind Kind, of []Failure) []Cause {
	all := make([]Cause, 0, len(of))
	for _, f := range of {
		text := fmt.Sprintf("%s failed %d times in a row: %s", f.subject(), f.Failures, words(f.Reason))
		switch f.Failures {
		case 0:
			text = fmt.Sprintf("%s waits, because its fleet fails as a whole: %s", f.subject(), words(f.Reason))
		case 1:
			text = fmt.Sprintf("%s failed: %s", f.subject(), words(f.Reason))
		}
		told := slices.ContainsFunc(p.Failing, func(o Outage) bool { return o.Operation == f.Operation && o.isTold() }) || p.isOfCredentials(f.Reason)
		all = append(all, Cause{Key: Key{kind, f.subject() + ": " + f.Reason}, Severity: Warning, Unnamed: told, Text: text})
	}
	slices.SortFunc(all, func(a, b Cause) int { return strings.Compare(a.Of, b.Of) })
	return all
}

// subject names the request that failed.
func (f Failure) subject() string {
	var of []string
	for _, part := range []struct{ name, id string }{{"farm", f.FarmID}, {"fleet", f.FleetID}, {"worker", f.WorkerID}} {
		if part.id != "" {
			of = append(of, part.name+" "+part.id)
		}
	}
	if len(of) == 0 {
		return f.Operation
	}
	return f.Operation + " of " + strings.Join(of, ", ")
}

// words makes a reason readable. Reasons are values of labels too, and so have no blanks.
func words(reason string) string { return strings.ReplaceAll(reason, "_", " ") }
