package trigger

import "fmt"

// place names a partition.
type place struct {
	topic  string
	number int32
}

func (p place) String() string { return fmt.Sprintf("%s/%d", p.topic, p.number) }

// partition is a partition that the group assigns to this instance.
type partition struct {
	place
	*progress

	member    string        // the name under which the group knew this instance when it assigned the partition
	committed commit        // what the group has confirmed
	end       int64         // behind the newest record that is known to be committed by its producer
	running   int           // tries of its events
	leaving   bool          // the group takes it away: no further try begins
	gone      bool          // the group has taken it away
	idle      chan struct{} // closed when the last of its tries has ended; nil if nobody waits for that
}

// newPartition begins where the group stands.
func newPartition(at place, member string, offset int64, metadata string) *partition {
	return &partition{place: at, member: member, progress: newProgress(offset, metadata), committed: commit{offset, metadata}}
}

// lag returns how many offsets are still to be read or to be done.
func (p *partition) lag() int64 { return max(0, p.end-p.read) + int64(len(p.held)) }
