// Package check judges what Farmwire published: it compares the records that a reader printed with
// what truly happened on the farm, and names every anomaly by its kind.
//
// It reads four files and shares no code with the product, so that one error cannot hide in both:
// the topics .events, .ended and .state as Apache's console consumer printed them (read_committed),
// and the truth that the simulated farm wrote.
//
// What must hold
//
//   - A record stands on its own: its headers say what its value says, its times are UTC with
//     milliseconds, its partition is murmur2 of its key (in .state: of the worker's id).
//   - The events of a session are numbered from 1 without holes, once each, in the order of the log.
//     Nothing follows ended or vanished.
//   - The states that they show are an ordered subsequence of the true ones, and each says truly
//     between which two answers the service began to show it: after < shown <= before. Of several
//     changes that one answer taught, only the last shows a true state; the others are put together
//     as the contract says.
//   - Every session that began, or was open, when the watch began or later has its first sight, and
//     if it ended, its end. Sessions that ended before are passed over.
//   - vanished is published only of a session that the service had forgotten.
//   - The state topic is the fold of the events: each record in it equals the event with its number,
//     and the last one the last event. An event without its state, or a state without its event, is
//     a torn transaction.
//   - .ended holds exactly the ended events that are no snapshot, the same to the byte.
//
// Where the farm gave stale reads, a status between start and end can truly be seen twice or too
// late. Then only starts, ends and targets are compared with the truth, and no bound from below.
//
// What cannot be known is not demanded: a session that no listing could show for [Input.Grace], or
// whose end the service forgot sooner than that, is counted as unseen.
//
// Where instances live for seconds only, that asks too much: nobody may have had the time to look. With [Input.Harm] the
// measure is what was truly shown. A whole listing is one of which every page was answered without a spoiled one, and in
// which the session was. A start may be missing only if no whole listing showed the session to an instance that
// lived on without harm for [LivedOn] after it, and at most one showed it to an instance that was not being harmed just
// then. Harm is all that was done to the instance, to the brokers or to the connections of all.
package check
