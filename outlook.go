package farmwire

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"farmwire/poller"
	"farmwire/poller/plan"
	"farmwire/status"
)

const (
	outlookEvery  = time.Minute      // between two looks at what can be expected
	outlookAfter  = 10 * time.Minute // from the first look that knows something until it is logged
	outlookPause  = time.Hour        // between two lines in the log
	outlookFactor = 1.5              // by which a delay must change to be logged again
	outlookMemory = time.Hour        // over which the share of unannounced starts is averaged

	inTurn       = "round_robin" // the strategy of the schedule that lists all workers in turn
	leastPerList = 0.01          // pages read for a start; a page of a job has 100 sessions
	listingShare = 0.9           // of the requests, while too many workers have to be listed
)

// outlook is how soon changes can be expected to be seen, with what the poller has found.
type outlook struct {
	mu  sync.Mutex
	now expectation

	found, unannounced float64 // starts lately, the older the less
	at                 time.Time
	seen               uint64 // poller.State.UnannouncedSeen at that time

	since  time.Time // the first look that knew something; zero: the last one knew nothing
	logged time.Time
	last   expectation // that was logged
}

// expectation is a plan, or with a refusal what of it can be promised. If it is not known, nothing is known yet.
type expectation struct {
	known   bool
	rate    float64 // requests a second that this instance may send
	plan    plan.Plan
	refusal *plan.Refusal
	inTurn  time.Duration // the mean delay of starts if the workers are listed in turn with what the sweeps leave
}

// followOutlook looks at what can be expected, and logs it, until running ends.
func (i *instance) followOutlook(running context.Context) error {
	tick := time.NewTicker(outlookEvery)
	defer tick.Stop()
	for {
		select {
		case <-running.Done():
			return running.Err()
		case now := <-tick.C:
			if l := i.loop.Load(); l != nil && i.outlook.look(l.poller.State(), now) {
				i.outlook.current().log(i.log, l.watermarks())
			}
		}
	}
}

// log logs what can be expected, or why nothing can be.
func (e expectation) log(to *zap.Logger, w status.Watermarks) {
	strategy := "sweeps"
	if e.plan.RoundRobin {
		strategy = inTurn
	}
	fields := []zap.Field{
		zap.String("strategy", strategy),
		zap.Float64("load", math.Round(e.plan.Load*100)/100),
		zap.Float64("requests_per_second", e.rate),
	}
	add := func(kind string, d plan.Delay) {
		if d != (plan.Delay{}) {
			const precision = 100 * time.Millisecond
			fields = append(fields, zap.Duration(kind+"_mean", d.Mean.Round(precision)), zap.Duration(kind+"_p99", d.P99.Round(precision)))
		}
	}
	add("starts", e.plan.Starts)
	add("ends", e.plan.Ends)
	for kind, age := range map[string]*time.Duration{"changes": w.Changes, "announced": w.Announced, "starts": w.Starts} {
		if age != nil {
			fields = append(fields, zap.Duration(kind+"_watermark_age", age.Round(time.Second)))
		}
	}
	if e.refusal != nil {
		to.Info(e.refusal.Error(), fields...)
		return
	}
	to.Info("this is how soon starts and ends can be expected to be seen", fields...)
}

// current returns what could be expected at the last look.
func (o *outlook) current() expectation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

// look takes in what the poller knows, and reports whether it is to be logged what can be expected.
func (o *outlook) look(s poller.State, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = expect(s, o.share(s, now))
	switch {
	case !o.now.known:
		o.since = time.Time{}
		return false
	case o.since.IsZero():
		o.since = now
	}
	settled := now.Sub(o.since) >= outlookAfter && (o.logged.IsZero() || now.Sub(o.logged) >= outlookPause)
	if !settled || !o.now.differs(o.last) {
		return false
	}
	o.logged, o.last = now, o.now
	return true
}

// share returns which share of the starts nothing has announced.
func (o *outlook) share(s poller.State, now time.Time) float64 {
	if s.Strategy == "" {
		o.at = time.Time{} // the poller owns no shard, and its counts are not shown
		return 0
	}
	if !o.at.IsZero() {
		passed := now.Sub(o.at).Seconds()
		kept := math.Exp(-passed / outlookMemory.Seconds())
		o.found = o.found*kept + s.Starts*passed
		o.unannounced = o.unannounced*kept + float64(s.UnannouncedSeen-o.seen)
	}
	o.at, o.seen = now, s.UnannouncedSeen
	if o.found == 0 {
		return 0
	}
	return min(1, o.unannounced/o.found)
}

// expect returns what can be expected of what the poller has found, if the unannounced share of the starts stays as it is.
func expect(s poller.State, unannounced float64) expectation {
	if s.Strategy == "" || s.Watched == 0 || s.Starts <= 0 || s.OpenSessions == 0 {
		return expectation{} // nothing is polled, or not yet for long enough
	}
	f := plan.Farm{
		Workers:   s.Watched,
		Starts:    s.Starts,
		Length:    time.Duration(float64(s.OpenSessions) / s.Starts * float64(time.Second)), // by Little's law
		Pages:     max(1, float64(s.ListingPages)/float64(s.Watched)),
		Followed:  s.Followed,
		AtOnce:    unannounced,
		Discovery: s.DiscoveryRate,
		Jobs:      s.Jobs,
	}
	if isDenied(s, "ListSessions") {
		f.Jobs = math.Inf(1)
	}
	f.PagesRead = min(f.Pages, max(leastPerList, s.Load*s.Share/s.Starts))
	e := expectation{known: true, rate: s.Share}
	e.inTurn = time.Duration(float64(s.ListingPages) / (2 * listingShare * s.Share) * float64(time.Second))
	var err error
	e.plan, err = plan.Expect(f, s.Share)
	if err != nil && !errors.As(err, &e.refusal) {
		return expectation{}
	}
	isOverloaded := e.refusal != nil && e.refusal.Reason == plan.TooMuchLoad
	if s.Strategy == inTurn && !isOverloaded { // the schedule does not change its strategy as soon as the plan does
		e.plan, _ = plan.InTurn(f, s.Share) // the arguments have been accepted
		e.refusal = nil
	}
	e.withoutDenied(s)
	return e
}

// isDenied reports whether AWS denies an operation that the schedule can do without. Of these, State.Failing has only those that are
// denied.
func isDenied(s poller.State, operation string) bool {
	return slices.ContainsFunc(s.Failing, func(o poller.Outage) bool { return o.Operation == operation })
}

// withoutDenied takes back what the plan promises because of sweeps, if AWS denies them. Without that of the open sessions,
// listings have to show ends as well, so that they may come later for starts, too.
func (e *expectation) withoutDenied(s poller.State) {
	noSessions, noStatuses := isDenied(s, "BatchGetSession"), isDenied(s, "BatchGetWorker")
	if noSessions {
		e.plan.Ends = plan.Delay{}
	}
	if (noSessions || noStatuses) && !e.plan.RoundRobin {
		e.plan.Starts = plan.Delay{}
	}
	if e.refusal == nil && e.plan.Delays == (plan.Delays{}) {
		*e = expectation{}
	}
}

// differs reports whether an expectation is so different from another that an operator wants to know.
func (e expectation) differs(from expectation) bool {
	reason := func(e expectation) plan.Reason {
		if e.refusal == nil {
			return 0
		}
		return e.refusal.Reason
	}
	if e.known != from.known || reason(e) != reason(from) || e.plan.RoundRobin != from.plan.RoundRobin {
		return true
	}
	changed := func(a, b time.Duration) bool {
		return float64(max(a, b)) > outlookFactor*float64(min(a, b))
	}
	a, b := e.plan.Delays, from.plan.Delays
	return changed(a.Starts.Mean, b.Starts.Mean) || changed(a.Starts.P99, b.Starts.P99) ||
		changed(a.Ends.Mean, b.Ends.Mean) || changed(a.Ends.P99, b.Ends.P99)
}

// addOutlook adds what can be expected to the report. A rate that is too low for the starts is something to warn of. What the
// plan refuses for another reason is not, because no rate that anybody would choose changes that.
func addOutlook(p *status.Polling, e expectation) {
	p.Expected = status.Expected{Starts: status.Delay(e.plan.Starts), Ends: status.Delay(e.plan.Ends)}
	if e.refusal == nil || e.refusal.Reason != plan.TooMuchLoad {
		return
	}
	p.Budget.TooLow = e.refusal
	if e.refusal.RoundRobin.Mean == 0 {
		p.Budget.Late = e.inTurn
	}
}
