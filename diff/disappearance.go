package diff

import "time"

// VanishAfter is how far apart two requests must be that are answered NotFound for a session to have
// vanished.
const VanishAfter = 120 * time.Second

// disappearance is what suggests that an open session has vanished. All of it happened after the session
// was last seen.
type disappearance struct {
	seen       time.Time // when the request was sent that last showed the session, by this host's clock
	arrived    uint64    // the tick at which its answer arrived; 0 after a restore
	unresolved bool      // a complete listing lacked the session, or its worker did not exist
	absences   uint8     // complete listings that lacked it, at most 2; NoSuchWorker counts twice, because it stands alone
	missing    time.Time // when the first request was sent that was answered NotFound
	confirmed  time.Time // when the NotFound arrived whose request was sent VanishAfter later
}

// outdates reports whether an exchange does not count, because its request was sent before the answer
// arrived that last showed the session.
func (d disappearance) outdates(x Exchange) bool {
	return d.arrived != 0 && x.SentTick <= d.arrived
}

// absent returns the disappearance after an observation that does not show the session.
func (d disappearance) absent(o *Observation) disappearance {
	if o.Source == Lookups || d.outdates(o.FirstRequest) {
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

// notFound returns the disappearance after an answer that the service does not know the session.
func (d disappearance) notFound(x Exchange) disappearance {
	switch {
	case d.outdates(x):
	case d.missing.IsZero():
		d.missing = x.Sent
	case d.confirmed.IsZero() && x.Sent.Sub(d.missing) >= VanishAfter:
		d.confirmed = x.Arrived
	}
	return d
}

// vanished reports whether this is enough to say that the session has vanished.
func (d disappearance) vanished() bool {
	return d.absences >= 2 && !d.confirmed.IsZero()
}
