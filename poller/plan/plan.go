package plan

import (
	"fmt"
	"math"
	"time"
)

// Farm is what is planned for: all farms, fleets and workers that share one budget.
type Farm struct {
	Workers int
	Starts  float64       // sessions that start in a second
	Length  time.Duration // the mean length of a session
	Spread  float64       // of the lengths of a queue's sessions: their standard deviation ÷ their mean; 0 stands for 0.3
	Pages   float64       // pages of a complete listing of a worker, 1 at least
	// PagesRead is how many pages are read for a start. It is less than Pages where listings are read up to what is known
	// already, or where a page of a job's sessions shows several starts. 0 stands for Pages.
	PagesRead float64
	Followed  float64 // the share of starts within 15 s after the end of another session on the same worker
	AtOnce    float64 // the share of starts that nothing announces, because they are beside an open session of the same worker
	Burst     float64 // sessions that start together; 0 stands for 1
	// Jobs is the number of active jobs. A job is active as long as new sessions of the job start. Farmwire lists the active
	// jobs in turn, with the requests that nothing else needs. 0 stands for one job for every 50 workers. Infinity means that
	// jobs cannot be listed.
	Jobs float64
	// Discovery is how many requests a second find farms, fleets and workers. 0 stands for 5 % of the rate, while that lists
	// all of them once in 30 s to 5 minutes.
	Discovery float64
}

// Delay is the time from a change to the answer that shows it. The zero value stands for a delay that is not known.
type Delay struct{ Mean, P99 time.Duration }

// Delays are those of starts and of ends.
type Delays struct{ Starts, Ends Delay }

// Plan is what can be expected.
type Plan struct {
	Delays
	Load       float64 // the part of the requests that listings for the starts take
	RoundRobin bool    // workers are listed in turn, as they are where a round of that is shorter than the heartbeat
	// Rounds are the times in which everything is asked for once: the listings of all workers if RoundRobin, else the
	// statuses of workers without an open session; and the open sessions.
	WorkerRound, SessionRound time.Duration
	// JobRound is the time in which each active job is listed once.
	JobRound time.Duration
	Uses     Uses
}

// Uses says what the requests are used for, in requests a second. The sum is the rate.
type Uses struct {
	Discovery float64 // finding farms, fleets and workers
	Listings  float64 // of workers, because something announced a new session; of all workers if Plan.RoundRobin
	Statuses  float64 // of workers
	Sessions  float64 // that are open
	Jobs      float64 // listings of the active jobs
	Rest      float64 // listings of workers of which nothing is announced
}

// Expect returns what can be expected of a farm at so many requests a second. If the formula does not hold, it returns a
// *Refusal with the Delays that it cannot tell left zero: all, or those of starts. Any other error is about the arguments.
func Expect(f Farm, rate float64) (Plan, error) {
	if err := checkBoth(f, rate); err != nil {
		return Plan{}, err
	}
	p, reason := f.expect(rate)
	if reason == 0 {
		return p, nil
	}
	r := &Refusal{Reason: reason, Load: p.Load, StatusRound: p.WorkerRound}
	if p.Load >= 1 {
		round := f.cycle(rate * listingShare)
		r.RoundRobin = delay(round/2, .99*round)
	}
	r.Enough, _ = f.lowest(func(_ Plan, reason Reason) bool { return reason == 0 })
	return p, r
}

// InTurn returns what can be expected if the workers are listed in turn whatever the rate, because the schedule does so a little
// longer than Expect takes it to. Its errors are about the arguments.
func InTurn(f Farm, rate float64) (Plan, error) {
	if err := checkBoth(f, rate); err != nil {
		return Plan{}, err
	}
	return f.inTurn(rate), nil
}

func checkBoth(f Farm, rate float64) error {
	if !(rate > 0) || rate > mostRate {
		return fmt.Errorf("a rate of %v, and it must be above 0 and at most %d requests a second", rate, mostRate)
	}
	return f.check()
}

func (f Farm) check() error {
	isShare := func(x float64) bool { return x >= 0 && x <= 1 }
	switch {
	case f.Workers < 1:
		return fmt.Errorf("%d workers, and there must be at least 1", f.Workers)
	case !(f.Starts > 0) || math.IsInf(f.Starts, 0):
		return fmt.Errorf("%v starts a second, and there must be more than 0", f.Starts)
	case f.Length <= 0:
		return fmt.Errorf("sessions of %v, and they must last longer than 0s", f.Length)
	case !(f.Spread >= 0):
		return fmt.Errorf("a spread of lengths of %v, and it must be 0 or more", f.Spread)
	case !(f.Pages >= 1) || math.IsInf(f.Pages, 0):
		return fmt.Errorf("listings of %v pages, and they must have at least 1", f.Pages)
	case !(f.PagesRead >= 0) || f.PagesRead > f.Pages:
		return fmt.Errorf("%v pages of a listing are read, and it must be from 0 to %v", f.PagesRead, f.Pages)
	case !isShare(f.Followed) || !isShare(f.AtOnce):
		return fmt.Errorf("shares of %v and %v of the starts, and they must be from 0 to 1", f.Followed, f.AtOnce)
	case !(f.Burst >= 0) || math.IsInf(f.Burst, 0) || !(f.Discovery >= 0):
		return fmt.Errorf("bursts of %v and %v requests a second for discovery, and both must be 0 or more", f.Burst, f.Discovery)
	case !(f.Jobs >= 0):
		return fmt.Errorf("%v jobs, and there must be 0 or more", f.Jobs)
	}
	return nil
}

// expect returns what can be expected, or with a Reason what of it can be.
func (f Farm) expect(rate float64) (Plan, Reason) {
	if f.cycle(rate) < roundRobinBelow {
		return f.inTurn(rate), 0
	}
	return f.bySweeps(rate)
}

// cycle is how long a listing of every worker takes at a rate, in seconds.
func (f Farm) cycle(rate float64) float64 { return float64(f.Workers) * f.Pages / rate }

// read is the pages that are read for a start.
func (f Farm) read() float64 {
	if f.PagesRead > 0 {
		return f.PagesRead
	}
	return f.Pages
}

// Open is the number of open sessions, by Little's law.
func (f Farm) Open() float64 { return f.Starts * f.Length.Seconds() }

// discovery is how many requests a second discovery takes.
func (f Farm) discovery(rate float64) float64 {
	wanted := f.Discovery
	if wanted == 0 {
		pages := math.Ceil(float64(f.Workers)/batch) + 2 // the lists of farms and of fleets
		wanted = pages / max(shortestDiscovery, min(longestDiscovery, pages/(discoveryPart*rate)))
	}
	return min(wanted, discoveryShare*rate)
}

// requests is how many requests ask for n workers or sessions. A batch that is not full is one all the same.
func requests(n float64) float64 { return max(1, n/batch) }

// inTurn expects of workers that are listed in turn, while open sessions are swept with a small part of the budget.
func (f Farm) inTurn(rate float64) Plan {
	p := Plan{Load: f.Starts * f.read() / rate, RoundRobin: true}
	p.Uses.Discovery = f.discovery(rate)
	paid := requests(f.Open()) / (sweepShare * rate) // what the part of the budget suffices for
	session := max(shortestSessionRound, paid)
	p.Uses.Sessions = requests(f.Open()) / session
	left := rate - p.Uses.Discovery - p.Uses.Sessions
	due := min(left, f.cycle(inTurnAfter))
	job := f.jobRound(left - due)
	p.Uses.Jobs = job.requests
	p.Uses.Listings = left - p.Uses.Jobs
	round := f.cycle(p.Uses.Listings)
	session = min(session, round)
	p.WorkerRound, p.SessionRound, p.JobRound = duration(round), duration(session), duration(job.time)
	p.Starts = delay(first(evenly(round), f.byJob(job.time)))
	mean, _ := first(evenly(session), f.byJob(job.time))
	_, last := first(evenly(min(round, max(session, inTurnTail*paid))), f.byJob(job.time))
	p.Ends = delay(mean, last)
	return p
}

// bySweeps expects of sweeps and of listings that something announces.
func (f Farm) bySweeps(rate float64) (Plan, Reason) {
	p := Plan{Load: f.Starts * f.read() / rate}
	p.Uses.Discovery = f.discovery(rate)
	if p.Load >= promisedLoad {
		return p, TooMuchLoad
	}
	kept := floorShare
	if f.Pages > 1 {
		kept += completeShare
	}
	queueing := f.queueing(rate, p.Load)
	var status, session, job sweepRound
	var end, lastEnd, start float64
	byJob := 0.0 // the part of the starts that listings of jobs show first
	for range 5 {
		p.Uses.Listings = p.Load * rate * (1 - byJob)
		left := rate - p.Uses.Discovery - p.Uses.Listings
		status, session = f.rounds(left-kept*rate, rate)
		p.Uses.Statuses, p.Uses.Sessions = status.requests, session.requests
		left -= status.requests + session.requests
		job = f.jobRound(left - kept*rate)
		p.Uses.Jobs = job.requests
		p.Uses.Rest = left - p.Uses.Jobs
		end, lastEnd = f.ends(session.time)
		announced := f.announcement(status.time, 2*end).after(queueing)
		alone, _ := first(announced, never)
		start, _ = first(announced, f.byJob(job.time))
		byJob = 1 - start/alone
	}
	p.WorkerRound, p.SessionRound, p.JobRound = duration(status.time), duration(session.time), duration(job.time)
	mean, _ := first(evenly(2*end), f.byJob(job.time))
	_, last := first(evenly(lastEnd/.99), f.byJob(job.time))
	p.Ends = delay(mean, last)
	switch {
	case f.AtOnce > unannouncedShare || f.resting() < 0: // more sessions are open than there are workers
		return p, Unannounced
	case f.Length.Seconds() < looksPerSession*max(heartbeat, status.time):
		return p, TooShort
	}
	_, last = first(f.announcement(statusEnd*status.time, lastEnd/.99).after(2*queueing), f.byJob(job.time))
	p.Starts = delay(start, last)
	return p, 0
}

// resting is the number of workers without an open session, if none has several.
func (f Farm) resting() float64 { return float64(f.Workers) - f.Open() }

// A sweepRound is one pass of a sweep over all its workers or sessions: its time in seconds, and the requests a second that it sends.
type sweepRound struct{ time, requests float64 }

// roundAt is the round of so many requests at a rate.
func roundAt(requests, rate float64) sweepRound { return sweepRound{requests / rate, rate} }

// shortestRound is the shortest round of a sweep of n workers or sessions, of which the requests have the same time between them. Each
// then waits for the next one that the rate allows.
func shortestRound(n, least, rate float64) sweepRound {
	batches := 1 + math.Floor(max(0, n)/batch)
	pause := least/batches + 1/(2*rate)
	return sweepRound{batches * pause, 1 / pause}
}

// rounds splits so many requests a second between the sweeps, and returns their rounds: that of statuses and that of sessions. A sweep
// that needs no more leaves the rest to the other. Rate is that of all requests.
func (f Farm) rounds(left, rate float64) (status, session sweepRound) {
	workers, sessions := requests(f.resting()), requests(f.Open())
	announced := f.Starts * (1 - followedSaving*f.Followed) // by a status
	// A request that is not full has its turn all the same.
	forStatuses, forSessions := math.Sqrt(math.Ceil(workers)*announced), math.Sqrt(math.Ceil(sessions)*f.Starts)
	part := left * forStatuses / (forStatuses + forSessions)
	status, session = roundAt(workers, part), roundAt(sessions, left-part)
	leastStatus, leastSession := shortestRound(f.resting(), shortestStatusRound, rate), shortestRound(f.Open(), shortestSessionRound, rate)
	leastStatus.requests, leastSession.requests = min(leastStatus.requests, status.requests), min(leastSession.requests, session.requests)
	if session.time < leastSession.time {
		session = leastSession
		status = roundAt(workers, left-session.requests)
	}
	if status.time < leastStatus.time {
		status = leastStatus
		if session = roundAt(sessions, left-status.requests); session.time < leastSession.time {
			session = leastSession
		}
	}
	return status, session
}

// ends returns the mean wait of an end for the sweep of sessions, and its 99th percentile, in seconds. Round is how long a round
// of the sweep takes.
func (f Farm) ends(round float64) (mean, last float64) {
	sessions := requests(f.Open())
	shortest := shortestLook + (shortestSessionRound-shortestLook)/sessions // which are likely to end are not asked for more often
	mean = max(shortest, f.gain(sessions)*round) / 2
	preferred := 1 - 1/(sessions*sessions)
	last = endShortest*shortest + (mean-shortest/2)*(endTail+endTailPreferred*preferred)
	return mean, max(last, endRound*round)
}

// gain is how long the mean wait of an end is, of what it would be if all open sessions were looked at equally often. The fewer
// requests ask for all of them, the less can one be preferred to another.
func (f Farm) gain(requests float64) float64 {
	spread := f.Spread
	if spread == 0 {
		spread = usualSpread
	}
	return 1 - (1-math.Pow(min(1, spread), spreadGain))*(1-1/(requests*requests))
}

// queueing is how long a listing waits for others in the mean, in seconds: for the request under way, for a queue, and for what
// started together with it.
func (f Farm) queueing(rate, load float64) float64 {
	burst := max(1, f.Burst) * f.read() / (listingShare * rate)
	return 1/rate + load/(2*(1-load)*rate) + max(0, burst-burstSpread)/2
}

// ActiveJobs returns the number of active jobs: Jobs, or its default.
func (f Farm) ActiveJobs() float64 {
	if f.Jobs > 0 {
		return f.Jobs
	}
	return max(1, float64(f.Workers)/workersPerJob)
}

// jobRound is the round of listings of all active jobs, with what is left of the rate.
func (f Farm) jobRound(left float64) sweepRound {
	if math.IsInf(f.Jobs, 1) {
		return sweepRound{math.Inf(1), 0}
	}
	jobs := f.ActiveJobs()
	return roundAt(jobs, min(jobShare*max(0, left), jobs/shortestJobRound))
}

// A wait is the probability that something takes longer than so many seconds.
type wait func(t float64) float64

// never is the wait for what does not happen.
func never(float64) float64 { return 1 }

// after is a wait that begins after so many seconds.
func (w wait) after(seconds float64) wait {
	return func(t float64) float64 { return w(max(0, t-seconds)) }
}

// evenly is a wait that is evenly distributed up to the longest.
func evenly(longest float64) wait {
	return func(t float64) float64 { return 1 - min(1, t/longest) }
}

// announcement is the wait until something announces a start: for some the end before them, which waits for the sweep of sessions, and
// for the others a status, which waits for the heartbeat and then for the sweep of statuses.
func (f Farm) announcement(status, session float64) wait {
	return func(t float64) float64 {
		return 1 - (1-f.Followed)*twoWaits(t, heartbeat, status) - f.Followed*min(1, t/session)
	}
}

// byJob is the wait until a listing of its job shows a change, if that job is known to be active. The more jobs there are, the less are
// they listed at equal times, because it is only estimated how often sessions of each start.
func (f Farm) byJob(round float64) wait {
	jobs := f.ActiveJobs()
	if math.IsInf(jobs, 1) {
		return never
	}
	known := knownJobs * (1 - math.Exp(-jobMemory*f.Starts/jobs))
	return func(t float64) float64 {
		return 1 - known + known*math.Pow(max(0, 1-2*t/(round*(2*jobs+1))), 2*jobs)
	}
}

// first returns the mean of the time until the first of two waits is over, and its 99th percentile, in seconds.
func first(a, b wait) (mean, p99 float64) {
	longer := func(t float64) float64 { return a(t) * b(t) }
	high := 1.0
	for longer(high) > 1e-6 && high < 1e300 {
		high *= 2
	}
	const steps = 1000 // which are shorter where the waits are short
	for i := range steps {
		x := (float64(i) + .5) / steps
		mean += longer(x*x*x*high) * 3 * x * x * high / steps
	}
	low := 0.0
	for range 60 {
		if middle := (low + high) / 2; longer(middle) > .01 {
			low = middle
		} else {
			high = middle
		}
	}
	return mean, high
}

// twoWaits is the probability that the sum of two waits is at most t, of which one is uniform up to a and the other up to b.
func twoWaits(t, a, b float64) float64 {
	if t >= a+b {
		return 1
	}
	triangle := func(x float64) float64 { return max(0, x) * max(0, x) / 2 }
	return (triangle(t) - triangle(t-a) - triangle(t-b) + triangle(t-a-b)) / (a * b)
}

// duration returns so many seconds, or the longest time if they are more than that.
func duration(seconds float64) time.Duration {
	if nanoseconds := seconds * float64(time.Second); nanoseconds < math.MaxInt64 {
		return time.Duration(nanoseconds)
	}
	return math.MaxInt64
}

// delay is a delay of so many seconds until a request is sent.
func delay(mean, p99 float64) Delay {
	return Delay{Mean: duration(mean + roundTrip), P99: duration(p99 + roundTrip)}
}
