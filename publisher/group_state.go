package publisher

import (
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// GroupState is what an instance knows of its membership in the consumer group.
type GroupState struct {
	Joined bool  // it is a member, perhaps of a group that has assigned it no shard
	Err    error // the last error of the group or of a connection to it; nil if there was none since it became a member
}

// GroupState returns the state of the membership. Before Join and after it, the instance is not a member. When the brokers
// cannot be reached any more, that shows after the session timeout, because the membership ends then.
func (p *Publisher) GroupState() GroupState { return p.group.get() }

// membership holds the GroupState, and is told of what happens by the hooks of the group's client.
type membership struct {
	explain func(error) error
	mu      sync.Mutex
	state   GroupState
	joined  time.Time // when the group last had an assignment for this member
}

func (m *membership) get() GroupState {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

// began notes that the group has an assignment for this member, which may be empty.
func (m *membership) began() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state, m.joined = GroupState{Joined: true}, time.Now()
}

// hasJoinedSince reports whether the group has had an assignment for this member after t.
func (m *membership) hasJoinedSince(t time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.joined.After(t)
}

// ended notes that Join returns.
func (m *membership) ended() { m.set(GroupState{}) }

func (m *membership) set(s GroupState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
}

// OnGroupManageError notes that the membership has ended by an error, or could not begin.
func (m *membership) OnGroupManageError(err error) { m.set(GroupState{Err: m.explain(err)}) }

// OnBrokerConnect notes why a connection failed while the instance is not a member. Until the client has reached a broker
// for the first time, no other hook tells that.
func (m *membership) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !m.state.Joined {
		m.state.Err = m.explain(err)
	}
}
