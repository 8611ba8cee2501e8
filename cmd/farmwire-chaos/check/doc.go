// Package check judges what Farmwire published: it compares the records that a reader printed with what truly happened on
// the farm, and names every anomaly by its kind.
//
// It reads four files and shares no code with the product, so that one mistake cannot hide in both: the topics .events,
// .ended and .state as Apache's console consumer printed them (read_committed), and the truth that the simulated farm
// wrote.
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
//
// If the farm gave stale reads, a status between start and end can truly be seen twice or too late. Then only starts, ends
// and targets are compared with the truth, and lower bounds are not checked.
//
// # What cannot be known
//
// A session that no listing could show for [Input.Grace], or whose end the service forgot sooner than that, is not
// demanded. It is counted as unseen.
//
// Instances that live for seconds may not have the time to list every worker within any grace. With [Input.Disturbances],
// what was truly shown counts instead. A listing is complete if every page was answered without a fault. A start may then
// be missing only if no complete listing showed the session to a process that lived on undisturbed for [LivedOn], and at
// most one complete listing showed it to a process that was undisturbed at that moment. Disturbances are everything that
// was done to the process, or to the brokers or the connections of all processes.
package check
