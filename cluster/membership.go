package cluster

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// GroupState is what an instance knows of its membership in a consumer group.
type GroupState struct {
	Joined bool  // it is a member, perhaps of a group that has assigned it nothing
	Err    error // the last error of the group or of a connection to it; nil if there was none since it became a member
}

// Membership holds the GroupState of one client, which it is told by hooks of the client and by its owner.
type Membership struct {
	Explain func(error) error // adds what an error means

	mu     sync.Mutex
	state  GroupState
	joined time.Time // when the group last had an assignment for this member
}

// State returns what is known.
func (m *Membership) State() GroupState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// Began notes that the group has an assignment for this member, which may be empty.
func (m *Membership) Began() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.joined = GroupState{Joined: true}, time.Now()
}

// HasJoinedSince reports whether the group has had an assignment for this member after t.
func (m *Membership) HasJoinedSince(t time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.joined.After(t)
}

// Ended notes that the client leaves the group.
func (m *Membership) Ended() { m.set(GroupState{}) }

func (m *Membership) set(s GroupState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
}

// OnGroupManageError notes that the membership has ended by an error, or could not begin.
func (m *Membership) OnGroupManageError(err error) { m.set(GroupState{Err: m.Explain(err)}) }

// OnBrokerConnect notes why a connection failed while the instance is not a member. Until the client has reached a broker
// for the first time, no other hook tells that.
func (m *Membership) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !m.state.Joined {
		m.state.Err = m.Explain(err)
	}
}
