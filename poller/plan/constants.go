package plan

// What the formula knows of Deadline Cloud and of the schedule.
const (
	// heartbeat is the time between two reports of a worker's agent. A status is that old at most.
	heartbeat = 15.0 // seconds
	// batch is how many sessions or workers one request asks for, and how many workers a page of ListWorkers has.
	batch = 100.0
	// roundRobinBelow is the time of a round of listings of all workers below which the schedule lists them in turn: then a
	// listing shows a start sooner than the status could announce it.
	roundRobinBelow = heartbeat
	// shortestDiscovery and longestDiscovery are how long a round of discovery takes where a Farm does not say. In between,
	// it takes discoveryPart of the budget.
	shortestDiscovery, longestDiscovery = 30.0, 300.0 // seconds
	discoveryPart                       = 0.05
	// discoveryShare is the most of the budget that discovery takes, whatever a Farm says; its rounds become longer then.
	discoveryShare = 0.2
	// floorShare is the part of the budget that lists workers although nothing announces anything.
	floorShare = 0.02
	// completeShare is the part of the budget for complete listings, where they have more than one page.
	completeShare = 0.05
	// jobShare is the part of what is left that lists jobs, and not workers of which nothing is announced.
	jobShare = 0.72
	// shortestJobRound is the shortest time between two listings of a job.
	shortestJobRound = 0.5 // seconds
	// inTurnAfter is the time after which a worker is listed again while workers are listed in turn, with the default staleness.
	inTurnAfter = 13.5 // seconds
	// workersPerJob is how many workers there are for each job where a Farm does not say.
	workersPerJob = 50.0
	// knownJobs is the part of the changes that are of jobs that are known, if their sessions start often. A job of which none has
	// started for jobMemory is forgotten.
	knownJobs = 0.987
	jobMemory = 300.0 // seconds
	// sweepShare is the part of the budget that sweeps open sessions while workers are listed in turn.
	sweepShare = 0.04
)

// What the formula was fitted with: simulations of the schedule in virtual time, mostly of 1,000 and 7,500 workers. It was compared
// with 33 cells of even, idle and regular farms, of 100 to 7,500 workers at 0.5 to 50 requests a second, with sessions of 5 to 30 minutes
// and a load below 0.6, one run of an hour each. Expected ÷ simulated was 0.93 to 1.19 in the mean of starts, and 1.27 in one
// farm where that is 0.6 s; and 0.80 to 1.17 in that of ends. At the 99th percentile it was 0.75 to 1.33 of ends. Of starts it was 0.83
// to 1.24, but for five farms with a large budget, where it depends on how many starts are the first of their job: 0.61 to 1.80.
// TestSimulated repeats the cells.
const (
	// promisedLoad is the load from which nothing is promised: the queue of listings makes delays many times as long there.
	promisedLoad = 0.6
	// shortestStatusRound and shortestSessionRound are the shortest rounds of the two sweeps, whatever the budget.
	shortestStatusRound  = 3.0 // seconds
	shortestSessionRound = 2.0 // seconds
	// shortestLook is the shortest time between two looks at a session.
	shortestLook = 1.5 // seconds
	// statusEnd is how many times as long as its round the longest wait for the sweep of statuses is, because workers on which
	// few sessions start are looked at less often.
	statusEnd = 1.15
	// The 99th percentile of the wait for the sweep of sessions is endShortest times the shortest round. Above that, it grows
	// endTail times as fast as the mean, and faster by endTailPreferred if there are enough sessions to prefer some of
	// them: then those are looked at less often that are not likely to end.
	endShortest               = 1.15
	endTail, endTailPreferred = 3.0, 2.5
	// endRound is the least of the 99th percentile, in rounds of the sweep: however well it is known which sessions are likely to
	// end, some others do.
	endRound = 0.95
	// inTurnTail is how many times as long as its round the longest wait for the sweep of sessions is while workers are listed
	// in turn, because a session that starts or ends moves the turns of others.
	inTurnTail = 1.4
	// usualSpread is how much the lengths of a queue's sessions differ where a Farm does not say.
	usualSpread = 0.3
	// spreadGain is the power of the spread with which the mean wait for the sweep of sessions grows: those which are likely to
	// end are looked at more often, and the less their lengths differ, the better that is known.
	spreadGain = 0.47
	// followedSaving is how much less a status has to be looked at for a start that follows an end at once, because the end
	// announces it.
	followedSaving = 0.8
	// listingShare is the part of the budget that listings get while there are too many to be made.
	listingShare = 0.9
	// burstSpread is the time over which heartbeats and the sweep spread the announcements of starts that happen together.
	// Listings that take no longer delay nothing.
	burstSpread = 20.0 // seconds
	// unannouncedShare is the share of starts up to which it does not matter for the 99th percentile that nothing announces
	// them.
	unannouncedShare = 0.01
	// looksPerSession is how many times a worker's status has to be looked at in the mean length of a session, so that
	// hardly any session is over before a look: lengths differ.
	looksPerSession = 2.0
	// roundTrip is the time from sending a request to its answer.
	roundTrip = 0.1 // seconds
)

// mostRate is the highest rate that RateFor tries, in requests a second.
const mostRate = 10_000
