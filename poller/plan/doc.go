// Package plan says how soon starts and ends of sessions can be expected to be known under a budget of API requests, and
// which budget a wanted delay needs.
//
// It is a formula, and no simulation. Open sessions and the statuses of workers are swept in batches, and each start costs a
// listing of its worker. What discovery, those listings and the floor leave of the budget is split between the two sweeps by
// the square root of the pages of each times the events that it finds. That gives the time of a round of each sweep, and with
// it the delays: a change waits half a round in the mean if all are asked for equally often, and a start also waits for the
// heartbeat with which the worker's agent reports its status. Farmwire lists the active jobs, of which new sessions
// start, with what the sweeps leave, and these listings may show a change first. A delay is the time from the change to the answer that shows it.
//
// The formula holds where a listing for each start takes less than six tenths of the requests, where nearly all starts are
// announced by a status, and where sessions come about evenly or in bursts. Where it does not hold, Expect returns a Refusal.
// Farms on which a tenth of the workers has most of the sessions are slower than expected, by up to a half.
//
// The package is pure and imports nothing of Farmwire. The numbers of the formula are in constants.go.
package plan
