// Package poller observes the sessions of Deadline Cloud's workers. It sends the requests on which package schedule decides:
// to find the workers and what they do, to page one worker's sessions into a complete listing, to look up open sessions, and
// to list the sessions of a job. The results are diff.Observation values; what becomes of them is up to the caller.
//
// A Poller has one loop, which owns a schedule.Schedule and an assembler, and one goroutine for each call. A call is one
// request, of a list one page. The loop asks the schedule for the next call, and starts a goroutine that sends it and hands
// back the reply. The assembler reads the reply: the schedule learns what it says, and decides what comes next. Once a
// list or a lookup has come to its end, the assembler gives the observations, which go to the outboxes of the workers'
// shards. Everything about time, failures and the API budget is decided by the schedule; the poller obeys.
//
// # Laws
//
// Only a complete listing is an observation that proves an absence. A listing is discarded as a whole if a page has no
// list, an entry lacks a required field, a page token comes twice, or the schedule gives it up. The reason is that diff
// draws conclusions from the absence of a session, so the absence must be true. A page that fails and is asked for again is
// a page like any other. What a listing has shown until it is stopped early, or until its shard is disowned, is an observation
// that proves no absence.
//
// A page of a job's sessions is valid under the same rules, and each is an observation at once of every worker on it that the
// schedule chooses. It counts only for shards that are owned since before the request was sent, because what another instance
// has committed may come from a later one, and only for fleets in Found, because the watch on a fleet must begin before
// anything of it is compared.
//
// A worker has at most one observation that is not committed. Until it is committed, no other call for observations of the
// worker is sent, and no job's page gives one. This is the back-pressure, and it bounds everything that waits in this package.
//
// A NotFound counts only if the service says what it did not find: for a lookup the session or its job, for a
// listing the worker. If it says that the session's queue, or the fleet or the farm does not exist, the schedule decides
// whether that counts. Any other refusal says nothing.
//
// Requests and answers are ordered by a counter of the process, because clocks may be set back. The times in
// Found are by the service's clock, as its Date header shows it. If an answer has none, Found has the time of this host, and
// what the answer lacks is no evidence that anything is gone for long.
package poller
