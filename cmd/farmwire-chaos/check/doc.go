// Package check judges what Farmwire published: it compares the records that a reader printed with what truly happened on
// the farm, and names every anomaly by its kind.
//
// It reads files and shares no code with the product, so that one mistake cannot hide in both: the topics .events, .ended,
// .state and .coverage as Apache's console consumer printed them (read_committed), and the truth and all requests that the
// simulated farm wrote.
//
// # What must hold
//
//   - A record stands on its own: its headers say what its value says, its times are UTC with milliseconds, and its
//     partition is murmur2 of its key (in .state: of the worker's id).
//   - The events of a session are numbered from 1 without holes, once each, in the order of the log. Nothing follows ended
//     or vanished.
//   - The states that they show are an ordered subsequence of the true ones. Each event says truly between which two
//     answers the service began to show its state: after < shown <= before. If one answer showed the result of several
//     changes, only the last event shows a true state. The others are derived as the contract says.
//   - Every session that was open when the watch began, or began later, has a first event, and if it ended, an end.
//     Sessions that ended before the watch began are passed over.
//   - A vanished event is published only of a session that the service has forgotten.
//   - The state topic is the fold of the events: each record in it equals the event with its number, and the last record
//     equals the last event. An event without its state, or a state without its event, is a torn transaction.
//   - .ended holds exactly the ended events that are no snapshots, byte for byte.
//   - The events of a shard have the indexes from 0 on, without holes and once each, and so have its coverage records their
//     numbers. The chains of both have the heads that each heartbeat and .state name.
//   - For each watermark that applies to something, a request about it arrived at the farm at the watermark or later and was
//     answered before the heartbeat: about an open session, an answer that showed it; about a worker's status, one that showed
//     it; about what is new on a worker, a complete listing whose first request arrived then; about the workers of a fleet,
//     the fleets of a farm and the farms, a complete list. What did not exist at the watermark needs none.
//   - What the service showed of an open session at the watermark is in the events with an index below log.size, and so is the
//     start of each session that was shown at the watermark, and by a complete listing since.
//   - No watermark goes back. When nothing fails, that of the open sessions is at most two sweeps and a heartbeat old.
//   - If requests about something were sent and none was answered, gaps leave out no time that is longer than --gap-after and a
//     minute. Each time in which no process ran is in a gap. No gap covers a good answer by more than 15 s. Gaps have numbers
//     without holes, and each is opened once and then closed once; those of the reasons kafka and deleted are only closed.
//   - A worker that was deleted after it had a session which no complete listing showed is in a gap of the reason deleted,
//     from when the session was shown until the worker was deleted.
//
// If the farm gave stale reads, a status between start and end can truly be seen twice or too late. Then only starts, ends
// and targets are compared with the truth, and lower bounds are not checked.
//
// # What cannot be known
//
// A session that no listing could show for [Input.Grace], or whose end the service forgot sooner than that, is not
// demanded. It is counted as unseen.
//
// Whether a status that announced a session was followed by a listing of its worker is not checked: the farm's record has no
// statuses. Of requests that never reached the farm it knows nothing, so that no gap is demanded for them. A gap does not say which
// requests have failed, only which looks could not be made. So a status is compared only with gaps that affect nothing but
// announced, and lists of farms, fleets and workers, which every instance asks for, with none.
//
// Instances that live for seconds may not have the time to list every worker within any grace. With [Input.JudgeListings],
// what was truly shown counts instead. A listing is complete if every page was answered without a fault. A start may then
// be missing only if no complete listing showed the session to a process that lived on undisturbed for [LivedOn], and at
// most one complete listing showed it to a process that was undisturbed at that moment. Disturbances are everything that
// was done to the process, or to the brokers or the connections of all processes.
package check
