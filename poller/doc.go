// Package poller observes the sessions of Deadline Cloud's workers. It finds the workers, decides which one
// to ask about next, pages one worker's sessions into a complete listing, and looks up the sessions that a
// listing does not show. The results are diff.Observation values; what becomes of them is up to the caller.
//
// A Poller has one loop, and one goroutine for each call. A call is all requests for one purpose, such as the
// pages of one listing. The loop asks the schedule for the next call, and the budget whether it may begin.
// The goroutine of the call sends its requests through a requester, which waits for the budget, measures
// every attempt, and repeats requests that failed. The result goes back to the loop, and from there to the
// outbox of the worker's shard.
//
// # Laws
//
// Only a complete listing is an observation. A listing is discarded as a whole if a page fails three times,
// a page has no list, an entry lacks a required field, a page token comes twice, or the pages do not end.
// The reason is that diff draws conclusions from the absence of a session, so the absence must be true.
//
// A worker has at most one observation that is not committed. Until it is committed, no other call about the
// worker begins. This is the back-pressure, and it bounds everything that waits in this package.
//
// Every attempt of every operation takes a token of one budget. If the service asks for a pause, only the
// operation that it answered pauses, because the service's limits are per operation.
//
// Discovery gets at most a fifth of the budget, so that a large farm is not only discovered but also
// observed. Its first round may use more, because nothing else needs the budget yet.
//
// A slow, refused or broken answer delays only its own worker, fleet or farm. Each of these has its own
// times and its own back-off, which is at most a minute, except for missing sessions.
//
// A worker that could not be listed three times in a row is unlisted. Its open sessions are then looked up
// as often as it would be listed.
//
// A NotFound counts only if the service says what it did not find: for a lookup the session or its job, for a
// listing the worker. If it says that the session's queue, or the fleet or the farm does not exist, that counts only
// if discovery confirms it: complete lists lack the fleet or the farm, or show the farm of the queue. Sessions of which
// this is said are missing. They are looked up less and less often, at last once an hour. Any other refusal says nothing.
//
// Workers that discovery does not show and that have no open session are listed from spare budget, because
// there may be very many of them. They slow the others down by a twentieth at most.
//
// Requests and answers are ordered by a counter of the process, because clocks may be set back. The times in
// Found are by the service's clock, as its Date header shows it. If an answer has none, Found has the time of this host, and
// what the answer lacks is no evidence that anything is gone for long.
package poller
