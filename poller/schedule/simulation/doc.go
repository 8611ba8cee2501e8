// Package simulation plays a scheduler of requests in virtual time against a model of Deadline Cloud.
//
// The truth is which workers exist and when their sessions start and end. It is drawn from the seed and does not depend on
// what is asked. The service answers requests from the truth: an answer shows the state half a round trip after the
// request was sent. The simulation sends what the scheduler wants to send, brings the answers back, compares complete
// listings and other answers with what was known by package diff, and notes when each change was first known.
//
// What the model assumes of workers:
//   - An agent reports the status of its worker every 15 s. Each has its own phase. So the status lags.
//   - The status is RUNNING if a session is open, or was at most 5 s before.
//   - Sessions belong to jobs of about Config.JobSize sessions, and jobs to queues. There are four queues, whose sessions
//     differ in length, and the lengths in a queue have a lognormal distribution with a coefficient of variation of 0.3,
//     unless the mix says something else. Config.Workers/50 jobs are active at a time.
//   - A listing has the last Config.Pages pages of ended sessions, less ten sessions, and the open ones.
//   - BatchGetSession, GetSession and lists of a job's sessions know the sessions of deleted workers. A job's list has all of
//     its sessions.
//
// A change counts as known when the answer arrives with which it counts: of a worker's listing, that is its last page or the
// one at which it is stopped.
package simulation
