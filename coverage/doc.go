// Package coverage says what of Deadline Cloud was looked at, and what was not.
//
// A look is a request that was answered and whose observation is committed. Its time is that of the request, by the service's
// clock. From the requests, the answers and the commits of a shard a Tracker computes watermarks, which say up to when
// everything was looked at and published, and gaps, which say what could not be looked at, when and why.
//
// The package is pure: it has no clock, no I/O and no goroutine.
package coverage
