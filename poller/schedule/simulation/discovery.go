package simulation

import (
	"time"

	"farmwire/poller/schedule"
)

// discoveryShare says that discovery gets at most one of so many requests, after the first round.
const discoveryShare = 5

// discovery lists farms, fleets and workers once in a while, one request after the other.
type discovery struct {
	rate     float64       // requests a second, of all kinds
	every    time.Duration // between the beginnings of two rounds
	round    uint64        // the one under way, or the last one
	todo     []schedule.Call
	inFlight bool
	sendAt   time.Time // the next request
	began    time.Time
}

// next returns the next call of discovery, or when there may be one. The zero time stands for never.
func (d *discovery) next(now time.Time) (schedule.Call, time.Time) {
	if len(d.todo) == 0 && !d.inFlight && !d.began.Add(d.every).After(now) {
		d.round++
		d.began, d.todo = now, []schedule.Call{{Kind: schedule.ListFarms, Page: 1}}
	}
	switch {
	case d.inFlight:
		return schedule.Call{}, time.Time{}
	case len(d.todo) == 0:
		return schedule.Call{}, d.began.Add(d.every)
	case d.sendAt.After(now):
		return schedule.Call{}, d.sendAt
	}
	c := d.todo[0]
	d.todo, d.inFlight = d.todo[1:], true
	if d.round > 1 {
		d.sendAt = now.Add(time.Duration(discoveryShare * float64(time.Second) / d.rate))
	}
	return c, time.Time{}
}

// done takes in a page. One that failed is asked again. The function reports whether the round is complete.
func (d *discovery) done(c schedule.Call, a schedule.Answer) (o schedule.Outcome, complete bool) {
	d.inFlight = false
	if a.Reason != "" {
		d.todo = append([]schedule.Call{c}, d.todo...)
		return schedule.Outcome{}, false
	}
	for _, farm := range a.Farms {
		d.todo = append(d.todo, schedule.Call{Kind: schedule.ListFleets, Farm: farm, Page: 1})
	}
	for _, fleet := range a.Fleets {
		d.todo = append(d.todo, schedule.Call{Kind: schedule.ListWorkers, Farm: c.Farm, Fleet: fleet, Page: 1})
	}
	if a.Next != "" {
		c.Page, c.Token = c.Page+1, a.Next
		d.todo = append([]schedule.Call{c}, d.todo...)
		return schedule.Outcome{}, false
	}
	return schedule.Outcome{Stage: schedule.Complete}, len(d.todo) == 0
}

// soonest returns the earlier time. The zero time stands for never.
func soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
