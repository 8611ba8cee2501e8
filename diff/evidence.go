package diff

import "time"

// VanishAfter is how far apart two requests must be that are answered NotFound for a session to have vanished.
const VanishAfter = 120 * time.Second

// evidence is what is known of an open session beside its state, all of it since the session was last seen.
type evidence struct {
	seen       time.Time // when the request was sent that last showed the session, our clock
	arrived    uint64    // the tick when its answer had arrived; 0 after a restore
	unresolved bool      // a complete listing lacked it, or its worker was gone
	absences   uint8     // complete listings that lacked it, up to 2; Gone counts twice, since it stands alone
	missing    time.Time // when the first request was sent that was answered NotFound
	confirmed  time.Time // when the NotFound had arrived that came VanishAfter later
}

// outdates reports whether an exchange does not count, because its request was not sent after the answer had
// arrived that last showed the session.
func (e evidence) outdates(x Exchange) bool {
	return e.arrived != 0 && x.SentTick <= e.arrived
}

// absent is the evidence after an observation in which the session was not seen.
func (e evidence) absent(o *Observation) evidence {
	if o.Evidence == Answers || e.outdates(o.Opening) {
		return e
	}
	e.unresolved = true
	if o.Evidence == Gone {
		e.absences = 2
	} else {
		e.absences = min(e.absences+1, 2)
	}
	return e
}

// notFound is the evidence after one answer that the service does not know the session.
func (e evidence) notFound(x Exchange) evidence {
	switch {
	case e.outdates(x):
	case e.missing.IsZero():
		e.missing = x.Sent
	case e.confirmed.IsZero() && x.Sent.Sub(e.missing) >= VanishAfter:
		e.confirmed = x.Arrived
	}
	return e
}

// vanished reports whether the evidence suffices to say that the service stopped knowing the session.
func (e evidence) vanished() bool {
	return e.absences >= 2 && !e.confirmed.IsZero()
}
