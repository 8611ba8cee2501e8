// Package poller observes: it finds the workers of Deadline Cloud, decides whom to ask next,
// pages one worker's sessions into a complete listing, and asks for the sessions that a
// listing does not show. It gives diff.Observation values and knows nothing of what becomes
// of them. Its other half is the paginator behind `farmwire sessions` (Paginator), which
// shares the walk through pages with it.
//
// A Poller owns one loop and one goroutine per call. The loop asks the schedule, which is
// pure, for the next call, and the budget whether a request may be sent; the call's goroutine
// sends its requests through an asker, which meters, times and repeats every attempt; what
// came of it goes back to the loop, and from there to the outbox of the worker's shard.
//
// The laws, and why:
//
//   - Only a complete listing is an observation. A page that failed three times, a page
//     without a list, an entry without what is required, a token that came before and a walk
//     without end discard the listing whole. Absence is evidence, so it must be of the truth.
//   - A worker has one observation at most that is not committed, and is not asked again
//     before. That is the back-pressure, and it bounds everything that waits here.
//   - Every attempt of every operation takes a token of one budget. A pause that the service
//     asks for holds for the operation: its limits are per operation.
//   - Discovery has a fifth of the budget, so that a large farm is not only counted. The
//     first round may use what others do not use yet.
//   - One slow, refused or broken answer delays its own worker, fleet or farm and no other:
//     each has its own times and its own back-off, a minute at most.
//   - A worker that three listings in a row did not show is not left alone: its open
//     sessions are looked up at the pace at which it would be listed.
//   - That something was not found counts only if the service says what: the session or its
//     job, or for a listing the worker. A refusal, or a missing fleet, says nothing of them.
//   - Exchanges are ordered by a counter of the process, as clocks may be set back. Times of
//     discovery (when a fleet was first seen) are the service's, by its Date header.
package poller
