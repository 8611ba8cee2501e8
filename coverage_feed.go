package farmwire

import (
	"farmwire/coverage"
	"farmwire/poller"
)

// requestOf converts a request of the poller.
func requestOf(r poller.Request) coverage.Request {
	return coverage.Request{
		Number: r.Number, List: r.List, Operation: operationOf(r.Operation), Farm: r.Farm, Fleet: r.Fleet,
		Workers: r.Workers, Sessions: r.Sessions, At: r.At,
	}
}

// answerOf converts an answer of the poller.
func answerOf(a poller.Answer) coverage.Answer {
	return coverage.Answer{
		Request: requestOf(a.Request), Reason: reasonOf(a.Reason), UnderWay: a.UnderWay, Complete: a.Complete,
		Farms: a.Farms, Fleets: a.Fleets, Shown: a.Shown, Awaiting: a.Awaiting, Found: a.Found, Observed: a.Observed,
	}
}

func operationOf(name string) coverage.Operation {
	switch name {
	case "ListFarms":
		return coverage.ListFarms
	case "ListFleets":
		return coverage.ListFleets
	case "ListWorkers":
		return coverage.ListWorkers
	case "BatchGetWorker":
		return coverage.BatchGetWorker
	case "ListSessionsForWorker":
		return coverage.ListSessionsForWorker
	case "ListSessions":
		return coverage.ListSessions
	}
	return coverage.Lookup // BatchGetSession and GetSession
}

// reasonOf returns the reason of a gap, of why a request got no usable answer.
func reasonOf(reason string) coverage.Reason {
	switch reason {
	case "":
		return ""
	case "cancelled":
		return coverage.Cancelled
	case "throttled":
		return coverage.Throttled
	case "denied":
		return coverage.Denied
	case "credentials", "credentials_unavailable":
		return coverage.Credentials
	case "timeout", "connection":
		return coverage.Unreachable
	}
	return coverage.Failing
}
