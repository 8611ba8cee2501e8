// Package farmtest is a simulated AWS Deadline Cloud (API 2023-10-12) that answers over real HTTP
// in the real protocol, keeps an exact record of what truly happened, and fails on demand.
//
// It has two layers. The lower one, [Cloud], is the service's model under manual control: farms,
// fleets, workers and sessions are added and changed one by one, as a scripted test wants them.
// The upper one, the timeline, is a seeded play that drives the model as a studio would: jobs come
// in bursts, fleets grow and shrink, sessions start, update, are cancelled and end. It runs if
// [Config.Workers] is above zero.
//
// [Server] serves ListFarms, ListFleets, ListWorkers, ListSessionsForWorker, GetSession and
// BatchGetSession. Requests need no valid signature.
//
// # Laws
//
// Each state of a session has two times. At is the service's: when the change happened, in the
// service's clock, cut to the millisecond as the answers show it. Shown is ours: the first instant
// at which an answer can show it. Every answer is computed under the lock under which changes are
// made, for one instant that is read under that lock; it shows exactly the states with Shown up
// to that instant. So whoever sent a request after Shown sees that state or a later one, and
// whoever saw a state had its answer after Shown. That makes the bounds of an observation checkable
// to the nanosecond.
//
// Faults that hide what was shown before (stale reads, sessions missing from a listing, pages that
// shift) break the first half of this law. Each such answer is noted on the session: Blurred is the
// last instant for which an answer showed less than the truth. A bound "not yet at T" is false only
// if T is later than both Shown and Blurred.
//
// A session can be known to a client only if a listing showed it while its worker existed. The
// timeline therefore deletes no worker sooner than [Config.Grace] after the last session began
// there; Listed says when an answer first showed the session.
//
// The model and the clock decide everything; the timeline's decisions depend on the seed and not on
// how fast the machine is. Which request meets which fault depends on the order of the requests.
package farmtest
