package farmtest

import (
	"slices"
	"time"
)

// AllFaults returns a configuration that injects every kind of fault. About one call in ten fails, so that a
// patient poller makes progress. Workers, Speed and other sizes are left to the caller. Grace must be longer than
// such a poller needs to find and list a new worker. Otherwise there are sessions that no client can learn of.
func AllFaults(seed uint64) Config {
	return Config{
		Seed: seed, Skew: 1500 * time.Millisecond, PageSize: 7, Order: RandomStable,
		Churn: 0.02, Forget: 5 * time.Minute,
		Faults: slices.Concat(callFaults(), listingFaults(), sessionFaults()),
		Quotas: map[Operation]Quota{
			ListSessionsForWorker: {Rate: 150, Burst: 40},
			ListWorkers:           {Rate: 20, Burst: 10, RetryAfter: time.Second},
			ListSessions:          {Rate: 20, Burst: 10, RetryAfter: time.Second},
			BatchGetWorker:        {Rate: 10, Burst: 5, RetryAfter: time.Second},
			BatchGetSession:       {Rate: 10, Burst: 5, RetryAfter: time.Second},
		},
	}
}

// Without returns the rules that are of none of the kinds.
func Without(rules []Fault, kinds ...Kind) []Fault {
	return slices.DeleteFunc(slices.Clone(rules), func(f Fault) bool { return slices.Contains(kinds, f.Kind) })
}

func callFaults() []Fault {
	return []Fault{
		{Kind: Slow, Probability: 0.02, Delay: 2 * time.Second},
		{Kind: Hang, Probability: 0.001, Delay: 30 * time.Second},
		{Kind: Cut, Probability: 0.003},
		{Kind: Reset, Probability: 0.005},
		{Kind: Truncated, Probability: 0.005},
		{Kind: NotJSON, Probability: 0.002},
		{Kind: EmptyBody, Probability: 0.002},
		{Kind: Throttled, Probability: 0.005},
		{Kind: Throttled, Probability: 0.003, Delay: time.Second},
		{Kind: ThrottledBare, Probability: 0.003},
		{Kind: ThrottledBare, Probability: 0.002, Delay: time.Second},
		{Kind: ThrottledDate, Probability: 0.002, Delay: 2 * time.Second},
		{Kind: ServerError, Probability: 0.01},
		{Kind: ServerError, Probability: 0.01, Operation: ListSessionsForWorker, Page: 2},
		{Kind: ServerError, Probability: 0.01, Operation: ListSessions, Page: 2},
		{Kind: Unavailable, Probability: 0.005},
		{Kind: Expired, Probability: 0.002},
		{Kind: Denied, Probability: 0.002},
		{Kind: Denied, Fleet: FleetName(0), Every: time.Minute, For: 3 * time.Second},
		{Kind: Denied, Operation: BatchGetSession, Every: 45 * time.Second, For: 8 * time.Second},
		{Kind: Denied, Operation: ListWorkers, Every: 70 * time.Second, For: 5 * time.Second},
		{Kind: Denied, Operation: BatchGetWorker, Every: 55 * time.Second, For: 8 * time.Second},
		{Kind: Denied, Operation: ListSessions, Every: 65 * time.Second, For: 8 * time.Second},
	}
}

func listingFaults() []Fault {
	return []Fault{
		{Kind: RepeatedToken, Probability: 0.004},
		{Kind: TokenRing, Probability: 0.004},
		{Kind: EndlessPages, Probability: 0.001},
		{Kind: EndlessPages, Probability: 0.005, N: 2},
		{Kind: ListAbsent, Probability: 0.004},
		{Kind: ListNull, Probability: 0.004},
		{Kind: EntryIncomplete, Probability: 0.004},
		{Kind: EntryNull, Probability: 0.002},
		{Kind: EpochTime, Probability: 0.002},
		{Kind: PagesShift, Probability: 0.03, Operation: ListSessionsForWorker, Delay: time.Minute},
		{Kind: PagesShift, Probability: 0.03, Operation: ListSessions, Delay: time.Minute},
		{Kind: UnknownFields, Probability: 0.02},
		{Kind: StaleEnds, Probability: 0.02, Delay: 10 * time.Second},
		{Kind: StaleStatuses, Probability: 0.02, Delay: 10 * time.Second},
		{Kind: StaleStatuses, Probability: 0.05, Delay: 30 * time.Second, Operation: BatchGetWorker},
		{Kind: StaleStatuses, Probability: 0.05, Delay: 30 * time.Second, Operation: ListWorkers},
		{Kind: Missing, Probability: 0.003, Delay: time.Minute},
	}
}

func sessionFaults() []Fault {
	return []Fault{
		{Kind: ItemServerError, Probability: 0.02},
		{Kind: ItemInvalid, Probability: 0.01},
		{Kind: ItemElsewhere, Probability: 0.01},
		{Kind: ItemUnknownCode, Probability: 0.01},
		{Kind: ItemOmitted, Probability: 0.01},
		{Kind: LateShow, Probability: 0.02, Delay: 3 * time.Second},
		{Kind: EndWithoutTime, Probability: 0.02, Delay: 3 * time.Second},
		{Kind: EndWithoutTime, Probability: 0.01},
		{Kind: EndTimeFirst, Probability: 0.02, Delay: 2 * time.Second},
		{Kind: EndTimeFirst, Probability: 0.005},
	}
}
