// Package diff finds out what has changed: it compares what was observed of a worker's sessions with what is known
// of them.
//
//	changes := diff.Between(snapshot, observation)
//	snapshot = diff.Apply(snapshot, changes)
//
// It is the pure centre of Farmwire: it imports the standard library only, and it has no clock, no I/O and
// no log. A Snapshot is a value and belongs to one worker. Between only reads it, and Apply returns a new
// one while the old one stays valid, so that a caller can keep the old one until the changes are committed.
//
// # Laws
//
// Observations. Only complete listings, and answers that the worker does not exist, prove that a session is absent. All other
// answers say something of the sessions that they show, and nothing else. The order of pages does not matter, nor where one
// page ends and the next begins. A session may be on several pages. The sightings of one session are merged: the
// status ENDED and an endedAt win, and a target ENDED stays. Everything else is taken from the page that was
// requested later, and within a page from the later entry. A state that the merge drops counts as not seen.
//
// Order of answers. An answer counts for a session only if its request was sent after the answer had
// arrived that last showed the session. Ticks decide this, never clocks. After a restore every request is
// later than what was restored. Absence and NotFound follow the same rule.
//
// End. A session has ended when its status is ENDED or it has an endedAt. No event follows. An endedAt that
// arrives later changes nothing. An answer that shows an ended session as open is stale. A target is never
// replaced by no target, and a target ENDED is never replaced.
//
// State. The state of a session is that of its last event or, if there was none, of the Record by which it was
// remembered. There is an event when the status, the target or the end differ. Only then are the other fields
// taken from the answer, too. After an observation the state is the merge of the old and the observed state.
//
// Order of events. The changes of one session are adjacent. First comes the first sight (Discovered or
// Started), then the status (Updating, Updated, UpdateFailed, or else Changed), then Ending. If the session
// has ended, only Ended comes after the first sight. A new target other than ENDED without a new status is
// Changed. The session of an event has the changes of this event and of those before it, so that of the last event
// equals the merged state. Previous is the session of the event before. Sequences have no holes.
//
// First sight. The Watch decides what a session that was not known is.
//   - It ended before Since: it is ignored and not stored. With InitialAll it is Discovered, inferred, and
//     then Ended; both are marked as Snapshot.
//   - Otherwise it started before Since: it is Discovered with the state as seen. If it has ended, the
//     Discovered is inferred and an Ended follows that is news. With InitialNone an open session is
//     remembered with sequence 0, and of an ended one only Ended is published.
//   - Otherwise it is news: it is Started, with an exact time, and the changes since then follow. The Started
//     is inferred unless the session was seen as STARTED without target and end.
//
// Bounds. Before is when the page arrived that first showed the new state, rounded up to the millisecond.
// After is when the last request was sent whose answer showed the old state, rounded down. It is never later than
// Before, even if a restored time comes from another host's clock. A sighting without a change moves After
// without an event. At first sight all changes have the same After: when the first request was sent of the last
// complete listing that lacked the session. Sessions may move from page to page while a listing is read, so a
// listing of several pages may miss a session. Such a listing proves an absence only together with the complete
// listing before it, and then After is when the first request of that one was sent. Sessions that are first seen
// before there was such a listing in this process have no After. The answer that the worker does not exist is no such
// listing, because a listing of a job may still show a session that the worker had.
//
// Vanishing. Absence is not an end. An open session is Unresolved from when a complete listing lacks it, or
// its worker does not exist, until it is seen again. It has Vanished when both happened since it was last seen:
// two requests at least VanishAfter apart were answered NotFound, and two complete listings lacked it or its
// worker did not exist. Before is when the second NotFound arrived. If the session is seen again, it is reported
// once in Reappeared and stays vanished.
//
// Missing. An answer may say that the session's queue, fleet or farm does not exist. It counts as NotFound only
// if there is a second such answer more than MissingAfter later, by the service's clock. One that claims to be from
// before the watch began does not count. The time of the first is Record.Missing. It is stored by a record without
// an event, so that it survives restarts, and cleared in the same way when the session is seen again.
//
// Memory. Ended and vanished sessions are remembered in 24 bytes each. A session is forgotten only when two
// complete listings at least ForgetAfter apart lacked it and no answer between them showed it. The answer that
// the worker does not exist counts as a complete listing without sessions, and so does the answer that its
// fleet or farm does not exist while discovery lacks that too.
//
// Absences. The first of these listings marks the session as absent since its Date, which is by the service's
// clock. A listing without a Date, or with one before the watch began, marks and forgets nothing. Marks are part of
// the Changes and of the records, so that restarts do not begin anew, and time in which nobody looks proves nothing.
// A mark is stored once and covers all sessions that are absent then. Sessions of one worker that leave the listing
// less than six hours later wait, and so do those for which the record has no room, and those of a worker that does
// not exist while one of its sessions is open.
//
// Waiting. Observations wait until a transaction takes them, so Observation.Add keeps them small: it leaves out the
// sightings that only repeat what a snapshot has as ended. Between returns the same as if they were there.
//
// Workers. A worker is its farm, its fleet and its id. The same id elsewhere is another worker with a Snapshot of
// its own. A Snapshot does not know the sessions of others, so whoever has the snapshots sees to it that a session
// belongs to one of them.
package diff
