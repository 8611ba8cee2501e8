package poller

import "go.uber.org/zap"

// unlistedLog keeps the log short when many workers of a fleet cannot be listed for the same reason. It holds the
// warnings that were given and still hold.
type unlistedLog map[unlistedReason]bool

// unlistedReason is why workers of a fleet cannot be listed.
type unlistedReason struct {
	farmID, fleetID string
	reason          Reason
}

// logUnlisted warns of a worker that cannot be listed, if it is the first of its fleet for this reason. The metric
// farmwire_workers_unlisted counts all, and State names some.
func (l *loop) logUnlisted(e *entry, err error) {
	if !l.othersUnlisted(e) {
		l.forgetUnlisted(e)
	}
	fields := append(e.fields(), zap.Error(err))
	warning := unlistedReason{e.key.FarmID, e.key.FleetID, reasonOf(err)}
	if l.warned[warning] {
		l.log.Debug("worker cannot be listed", fields...)
		return
	}
	l.warned[warning] = true
	l.log.Warn("worker cannot be listed; its open sessions are looked up. Other workers of the fleet that fail for the same reason are not logged", fields...)
}

// logListedAgain says that a worker can be listed again, if it is the last of its fleet.
func (l *loop) logListedAgain(e *entry) {
	if l.othersUnlisted(e) {
		l.log.Debug("worker can be listed again", e.fields()...)
		return
	}
	l.forgetUnlisted(e)
	l.log.Info("every worker of the fleet can be listed again", e.fields()...)
}

// othersUnlisted reports whether another worker of the same fleet cannot be listed.
func (l *loop) othersUnlisted(e *entry) bool {
	for other := range l.schedule.blind {
		if other != e && other.key.FleetID == e.key.FleetID && other.key.FarmID == e.key.FarmID {
			return true
		}
	}
	return false
}

// forgetUnlisted drops the warnings about a worker's fleet.
func (l *loop) forgetUnlisted(e *entry) {
	for warning := range l.warned {
		if warning.fleetID == e.key.FleetID && warning.farmID == e.key.FarmID {
			delete(l.warned, warning)
		}
	}
}

// fields name a worker in the log.
func (e *entry) fields() []zap.Field {
	return []zap.Field{zap.String("farm", e.key.FarmID), zap.String("fleet", e.key.FleetID), zap.String("worker", e.key.WorkerID)}
}
