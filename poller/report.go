package poller

import (
	"time"

	"farmwire/diff"
	"farmwire/poller/schedule"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The values of the answer label of farmwire_lookups_total: what was learned of one session.
const (
	lookupFound    = "found"
	lookupNotFound = "not_found"
	lookupMissing  = "missing" // its queue, fleet or farm was not found
	lookupUnsure   = "unsure"  // nothing; the session is looked up again
)

// count counts a list or a lookup that has come to its end for the metrics.
func (l *loop) count(f *flight, rd *reading, o schedule.Outcome, observations []diff.Observation, now time.Time) {
	m := l.service.metrics
	switch f.Kind {
	case schedule.BatchGetSession, schedule.GetSession:
		if o.Stage != schedule.UnderWay && rd.Reason != schedule.Cancelled && rd.Reason != schedule.Throttled {
			l.countLookup(f, rd)
		}
	case schedule.ListSessionsForWorker:
		switch {
		case o.Stage == schedule.UnderWay || o.Ignored:
		case o.Stage == schedule.Discarded:
			m.discarded.WithLabelValues(string(o.Reason)).Inc()
		case o.Stage == schedule.Stopped:
			m.stopped.Inc()
		case o.NoSuchWorker:
			m.noSuchWorker.Inc()
		default:
			listing := &observations[0]
			m.listings.Inc()
			m.pages.Observe(float64(listing.Pages))
			if age, ok := f.noteListed(listing.FirstRequest.Sent, now); ok {
				m.listingAge.Observe(age.Seconds())
			}
		}
	}
}

func (l *loop) countLookup(f *flight, rd *reading) {
	for _, s := range f.Sessions {
		answer := lookupUnsure
		switch rd.Findings[s.SessionID] {
		case schedule.Found:
			answer = lookupFound
		case schedule.NotFound:
			answer = lookupNotFound
		case schedule.NoQueue, schedule.NoFleet, schedule.NoFarm:
			answer = lookupMissing
		}
		l.service.metrics.lookups.WithLabelValues(answer).Inc()
	}
}

// report logs what is worth a line of what a call has come to.
func (l *loop) report(f *flight, rd *reading, o schedule.Outcome) {
	err := rd.err
	if err == nil && o.Reason != "" {
		err = listError(o.Reason)
	}
	if o.Stage == schedule.Discarded && !o.Ignored && !isCancelled(err) {
		l.log.Debug("list or lookup discarded", append(callFields(f.Call), zap.Error(err))...)
	}
	for _, n := range o.Notes {
		l.logNote(n, err)
	}
	if reason := rd.Reason; f.atFirst && reason != "" && reason != schedule.Cancelled && !l.firstFailures[reason] {
		l.firstFailures[reason] = true
		l.log.Warn("Deadline Cloud has not answered yet; it is asked again", zap.String("operation", f.Kind.Operation()), zap.Error(err))
	}
}

// logNote logs a note. One about a fleet names it, one about a farm names only that, and one about everything names neither.
// That a worker cannot be listed or can be listed again is a warning or information once for all workers
// of a fleet for which the reason is the same; for the others it is logged at debug. A field that is too long and a reserved
// id are the fault of one worker, so each such worker is named.
func (l *loop) logNote(n schedule.Note, err error) {
	fields := []zap.Field{zap.String("operation", n.Operation.Operation())}
	for _, of := range [...]struct{ name, id string }{{"farm", n.Worker.FarmID}, {"fleet", n.Worker.FleetID}, {"worker", n.Worker.WorkerID}} {
		if of.id != "" {
			fields = append(fields, zap.String(of.name, of.id))
		}
	}
	level := zapcore.InfoLevel
	switch n.Kind {
	case schedule.ListFails, schedule.WorkerFails, schedule.ScopeFails, schedule.BatchFails:
		level = zapcore.WarnLevel
		fields = append(fields, zap.Error(err))
	}
	ofOneWorker := n.Reason == schedule.FieldTooLong || n.Reason == schedule.ReservedID
	if (n.Kind == schedule.WorkerFails || n.Kind == schedule.WorkerWorks) && !n.Alone && !ofOneWorker {
		level = zapcore.DebugLevel
	}
	l.log.Log(level, noteText(n.Kind, n.Operation), fields...)
}

// noteText returns the line of a note.
func noteText(kind schedule.NoteKind, operation schedule.Kind) string {
	switch kind {
	case schedule.BatchFails:
		return map[schedule.Kind]string{
			schedule.BatchGetSession: "BatchGetSession does not work in a farm; GetSession is used for some time",
			schedule.BatchGetWorker:  "BatchGetWorker does not work in a farm; ListWorkers is used for some time",
			schedule.ListSessions:    "ListSessions does not work in a farm; workers are listed one by one for some time",
		}[operation]
	case schedule.BatchWorks:
		return map[schedule.Kind]string{
			schedule.BatchGetSession: "BatchGetSession works again",
			schedule.BatchGetWorker:  "BatchGetWorker works again",
			schedule.ListSessions:    "ListSessions works again",
		}[operation]
	}
	return map[schedule.NoteKind]string{
		schedule.ListFails:   "discovery failed; what was found before is used until it succeeds",
		schedule.ListWorks:   "discovery succeeds again",
		schedule.WorkerFails: "worker cannot be listed; its open sessions are looked up",
		schedule.WorkerWorks: "worker can be listed again",
		schedule.ScopeFails:  "no worker of the fleet or farm can be listed; one is tried now and then, and open sessions are looked up",
		schedule.ScopeWorks:  "workers of the fleet or farm can be listed again",
	}[kind]
}

// callFields returns the fields that say what a call asks for.
func callFields(c schedule.Call) []zap.Field {
	fields := []zap.Field{zap.String("operation", c.Kind.Operation())}
	farm, fleet := c.Farm, c.Fleet
	switch {
	case c.Kind == schedule.ListSessionsForWorker:
		farm, fleet = c.Worker.FarmID, c.Worker.FleetID
		fields = append(fields, zap.String("worker", c.Worker.WorkerID), zap.Int("page", c.Page))
	case c.Kind == schedule.ListSessions:
		farm = c.Job.FarmID
		fields = append(fields, zap.String("queue", c.Job.QueueID), zap.String("job", c.Job.JobID), zap.Int("page", c.Page))
	case len(c.Workers) > 0:
		farm = c.Workers[0].FarmID
		fields = append(fields, zap.Int("workers", len(c.Workers)))
	case len(c.Sessions) > 0:
		farm = c.Sessions[0].FarmID
		fields = append(fields, zap.Int("sessions", len(c.Sessions)))
	}
	if farm != "" {
		fields = append(fields, zap.String("farm", farm))
	}
	if fleet != "" {
		fields = append(fields, zap.String("fleet", fleet))
	}
	return fields
}

// maxLoggedIDs is how many farms or fleets one log line names.
const maxLoggedIDs = 20

// logFound logs how many farms, or fleets of a farm, the first complete list shows, and which appear after that. Whoever
// keeps them beyond the life of a process logs which disappear.
func (l *loop) logFound(what, farm string, first bool, appeared []string) {
	log := l.log
	if farm != "" {
		log = log.With(zap.String("farm", farm))
	}
	switch n := len(appeared); {
	case first:
		log.Info(what+" are listed", zap.Int("count", n))
	case n > 0:
		log.Info(what+" have appeared", zap.Int("count", n), zap.Strings(what, appeared[:min(n, maxLoggedIDs)]))
	}
}
