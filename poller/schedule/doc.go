// Package schedule decides which request to send to Deadline Cloud next. It has no clock, does no I/O and starts no
// goroutine, so that a simulation in virtual time runs the same code as a Poller, see package simulation.
//
// Next returns a Call, which is one request: of a list, one page. Done takes in its Answer and says what has become of the
// list or the lookup. The Schedule is also told which shards are owned, and what was committed of each worker. It holds
// everything that decides: the budget, pauses, repetitions and back-off, which workers are due, what discovery has found, and
// which sessions must be looked up.
//
// # Laws
//
// A worker is in at most one list or lookup at a time, and in none while an observation of it is not committed. So there is
// at most one such observation of each worker.
//
// A token of the budget is taken when a request is sent, and never in advance. So nothing is owed after a pause, or when the
// share of the budget shrinks.
//
// A request that was throttled is no attempt. It is sent again when the pace allows it, and the pages before it are kept.
// Any other failure that may pass is repeated up to maxAttempts times, unless the list failed the last time, too, or much of what
// it belongs to fails or hangs.
//
// What fails or hangs delays nothing else by much. A call that is slow gives its place in flight to others. What failed
// the last time gets few places and few turns. A fleet, a farm or the whole operation that fails as a whole is tried by one
// request now and then, and the open sessions of its workers are looked up.
//
// After a shard was owned, its restored open sessions are asked for before everything else. Then each of its workers is
// listed once before any of them is listed a second time, unless its status has changed.
//
// The budget is always used. What nothing else needs lists workers before they are due. If the budget suffices to list all workers
// within a heartbeat, that is done, see strategy.go. Else open sessions and the statuses of workers are swept, a hundred in a
// request, and a worker is listed when something announces a session on it, see sweeps.go and announce.go. Several sessions of a
// job are found by listings of the job, see joblists.go. Whatever the load is, some requests are for the sweeps, and some list the
// worker that was not listed for longest. What does not work in a farm is done without there.
//
// What an answer shows counts the same, whichever call has asked for it. Only complete listings prove that a session is absent.
// Those of several pages that are stopped early do not, so that complete ones keep a share of the budget, see short.go.
//
// Regular listings of workers are fair, see fairness.go.
package schedule
