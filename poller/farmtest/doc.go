// Package farmtest is a simulated AWS Deadline Cloud (API 2023-10-12). It answers over real HTTP in the
// service's protocol, keeps an exact record of what happened (the truth), and injects faults on demand.
//
// The package has two layers. The lower one, [Cloud], is a model of the service under manual control:
// a test adds and changes farms, fleets, workers and sessions one by one. The upper one, the timeline,
// changes the model as a render farm would: jobs arrive in bursts, fleets grow and shrink, and sessions
// start, update, are cancelled and end. The timeline runs if [Config.Workers] is above zero.
//
// [Server] serves ListFarms, ListFleets, ListWorkers, ListSessionsForWorker, GetSession and
// BatchGetSession. Requests need no valid signature.
//
// # What an answer shows
//
// Each state of a session has two times. At is the time of the change in the service's clock, truncated
// to milliseconds as answers show it. Shown is the first instant at which an answer can show the change,
// in the clock of this process, which is called our clock. An answer is computed for one instant, under the lock that guards every
// change, and shows exactly the states whose Shown is not after that instant. It follows that a request
// sent after Shown sees the state or a later one, and that an answer with the state arrives after Shown.
// A test can therefore check the bounds of an observation to the nanosecond.
//
// Some faults hide what earlier answers showed: stale reads, sessions missing from a listing, and pages
// that shift. They break the first conclusion. The session records each such answer: IncompleteUntil is
// the last instant for which an answer showed less than the truth. The claim "not yet at T" is wrong only
// if T is later than both Shown and IncompleteUntil.
//
// A client learns of a session only from a listing, and only while the session's worker exists. The
// timeline therefore deletes a worker no sooner than [Config.Grace] after the last session began on it.
// Listed is the first instant for which an answer showed the session.
//
// The timeline's decisions depend on the seed and the clock, and not on the speed of the machine. Which
// request meets which fault depends on the order of the requests.
package farmtest
