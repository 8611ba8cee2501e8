// Package farmtest is a simulated AWS Deadline Cloud (API 2023-10-12). It answers over real HTTP in the
// service's protocol, keeps an exact record of what happened (the truth), and injects faults on demand.
//
// The package has two layers. The lower one, [Cloud], is a model of the service under manual control:
// a test adds and changes farms, fleets, workers and sessions one by one. The upper one, the timeline,
// changes the model as a render farm would: jobs arrive in bursts, fleets grow and shrink, and sessions
// start, update, are cancelled and end. The timeline runs if [Config.Workers] is above zero.
//
// [Server] serves ListFarms, ListFleets, ListWorkers, BatchGetWorker, ListSessionsForWorker, ListSessions (of a job),
// GetSession and BatchGetSession. Requests need no valid signature.
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
// A client learns of a session from a listing of its worker, which there is only while the worker exists, or from one of
// its job, once it knows the job. The timeline therefore deletes a worker no sooner than [Config.Grace] after the last
// session began on it. Listed is the first instant for which an answer of any operation showed the session. Complete
// listings are those of a worker.
//
// # What a worker's status says
//
// Under manual control a worker has the status that [Worker.SetStatus] gives it. In the timeline, RUNNING and IDLE are what
// the worker's agent has last reported, with a heartbeat every [Config.Heartbeat]. So an answer can show a worker as IDLE
// that has had a session for 15 seconds, and a session that began and ended between two heartbeats may leave no trace.
// What the service itself says of a worker shows at once: CREATED, STARTED, STOPPING, NOT_RESPONDING. The truth has no
// statuses of workers.
//
// # Jobs
//
// By default jobs of a few sessions arrive at random times. With [Config.JobSize], a fixed number of sessions is always
// open, and the sessions of a few large jobs follow one another. A farm as large studios have it, with 300 workers of which a
// tenth is busy with sessions of a minute:
//
//	farmtest.Config{Workers: 300, Sessions: 30, MeanSession: time.Minute, Spread: 0.3, JobSize: 100, Churn: -1}
//
// The timeline's decisions depend on the seed and the clock, and not on the speed of the machine. Which
// request meets which fault depends on the order of the requests.
package farmtest
