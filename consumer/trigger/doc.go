// Package trigger delivers the ends of sessions to a command or to a webhook, at least once each.
//
// A [Trigger] is a member of a consumer group. What it reads it queues, and a number of tries run at the same time. An event that
// fails waits by itself, with growing pauses, while others go on; only the events of the same session wait for it. If nobody is there
// to take events they are tried for as long as it takes. An event that the [Target] has refused as often as it may goes to the
// dead-letter topic, where [DeadLetters] finds it.
//
// The laws, which the tests check on every commit that a broker receives:
//
//   - The group's offset passes an event only when it is delivered, filtered out, or confirmed in the dead-letter topic. The metadata
//     of the commit names the events that are done beyond the offset, so that one which is held back for days does not make thousands
//     come again after a restart. See progress.
//   - The offsets of a commit are decided when the commit is sent. It has only partitions that the group has assigned to this member
//     under its current member id. See loop.commit.
//   - A partition moves to another instance when the tries of its events have ended, or have taken too long, and after a commit.
//   - Where the group stands nowhere, or at records that were deleted, nobody knows what it has not seen. Then nothing is delivered
//     before a person has said where to begin.
//
// All state of a session belongs to one goroutine; see loop. An error of reading that may pass ends the session, and a new one looks
// anew where the group stands.
package trigger
