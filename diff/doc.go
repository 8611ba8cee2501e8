// Package diff compares what was observed of a worker's sessions with what is known of them.
//
//	changes := diff.Between(snapshot, observation)
//	snapshot = diff.Apply(snapshot, changes)
//
// It is the pure centre of Farmwire: standard library only, no clock, no I/O, no log. A Snapshot is of one worker
// and is a value: Between only reads it, and Apply returns a new one and leaves the old one valid, so that the
// snapshot moves forward only after the changes are committed.
//
// # Laws
//
// Evidence. A Listing is complete or it is no observation. Its pages may be handed in in any order, cut anywhere,
// and show a session more than once. Sightings of one session are merged: ENDED (or endedAt) wins, an ENDED target
// sticks, else the page that was requested later, else the later entry. What merging drops was not seen.
//
// Order. An answer counts for a session only if its request was sent after the answer had arrived that last showed
// the session, by ticks and never by clocks. After a restore every request is later. Absence and NotFound obey the
// same rule.
//
// Terminal. A session has ended when its status is ENDED or it has an endedAt; nothing follows. An endedAt that
// arrives later is no event and no change of state. An answer that shows an ended session as open is stale.
// A target value is never replaced by none, and an ENDED target by nothing.
//
// State is the fold of events. A session's state is that of its last event (or of the Record by which it was only
// remembered). An event is made when status, target or end differ; the other fields are taken from the answer
// then, and only then. Applying an observation gives the merge of old and observed: status and other fields of
// the answer, target and end as above.
//
// Order of events. The changes of one session stand together: first sight (Discovered or Started), its status
// (Updating, Updated, UpdateFailed, else Changed), Ending; or, if it has ended, only Ended after the first sight.
// An unknown target that is new without a new status is Changed. Each shows what it and those before it changed;
// the last equals the merged answer. Previous is the session of the event before. Sequences have no holes.
//
// First sight, by the Watch. Known to have ended before Since: passed over and not stored, or with InitialAll
// Discovered (inferred) and Ended, both Snapshot. Started before Since otherwise: Discovered with the state as
// seen, or, if it has ended, inferred and followed by an Ended that is news; with InitialNone it is remembered
// with sequence 0 if open, and Ended alone if not. Anything else is news: Started, exact, and inferred unless it
// was seen as STARTED without target and end; then what followed.
//
// Bounds. Before is the arrival of the page that first showed the new state, rounded up to the millisecond; After
// is the sending of the last request whose answer showed the old one, cut to it, and never later than Before (a
// restored time may come from another machine's clock). An unchanged sighting moves After without an event. At
// first sight all changes share as After the first request of the last complete listing without the session.
// A listing of several pages shifts while it is read and may miss what is there, so it proves an absence only
// together with the complete listing before it: After is then that one's first request. There is none after a
// restore.
//
// Absence is not an end. An open session that a complete listing lacks, or whose worker is Gone, is Unresolved
// until it is seen. It has Vanished when two requests at least VanishAfter apart were answered NotFound and two
// complete listings lacked it (or its worker was Gone), all since it was last seen. Before of Vanished is the
// arrival of the NotFound that confirmed the first. Seen again, it is reported in Reappeared, once, and stays
// vanished.
//
// Memory. Ended and vanished sessions are remembered in 24 bytes each. One is forgotten only when two
// complete listings (Gone counts as one of nothing) at least ForgetAfter apart lacked it and no answer between
// them showed it, counted within one process.
package diff
