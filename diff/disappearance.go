package diff

import "time"

// VanishAfter is the least time between two requests that did not find a session, for the session to count as
// vanished.
const VanishAfter = 120 * time.Second

// disappearance is what suggests that an open session has vanished. All of it happened after the session
// was last seen.
type disappearance struct {
	seen       time.Time // when the request was sent that last showed the session, by this host's clock
	arrived    uint64    // the tick at which its answer arrived; 0 after a restore
	unresolved bool      // a complete listing lacked the session, or its worker did not exist
	absences   uint8     // complete listings that lacked it, counted up to 2; NoSuchWorker counts as 2
	notFoundAt time.Time // when the first request was sent that was answered NotFound
	missing    time.Time // when the service first answered that its queue, fleet or farm does not exist, by the service's clock
	confirmed  time.Time // when a NotFound arrived that was VanishAfter later than the first, or MissingAfter later than missing
}

// outdates reports whether an exchange is outdated: its request was sent before the answer arrived that last
// showed the session.
func (d disappearance) outdates(x Exchange) bool {
	return d.arrived != 0 && x.SentTick <= d.arrived
}

// absent returns the disappearance after an observation that does not show the session. Only a complete listing
// or NoSuchWorker changes it.
func (d disappearance) absent(o *Observation) disappearance {
	if o.Source == Answers || d.outdates(o.FirstRequest) {
		return d
	}
	d.unresolved = true
	if o.Source == NoSuchWorker {
		d.absences = 2
	} else {
		d.absences = min(d.absences+1, 2)
	}
	return d
}

// notFound returns the disappearance after a NotFound for the session.
func (d disappearance) notFound(x *NotFound) disappearance {
	switch {
	case d.outdates(x.Exchange):
	case !x.MissingAt.IsZero():
		return d.containerMissing(x)
	case d.notFoundAt.IsZero():
		d.notFoundAt = x.Sent
	case d.confirmed.IsZero() && x.Sent.Sub(d.notFoundAt) >= VanishAfter:
		d.confirmed = x.Arrived
	}
	return d
}

// vanished reports whether this is enough to say that the session has vanished.
func (d disappearance) vanished() bool {
	return d.absences >= 2 && !d.confirmed.IsZero()
}
