package publisher

import "farmwire/cluster"

// GroupState returns the state of the membership. Before Join and after it, the instance is not a member. When the brokers
// cannot be reached any more, that shows after the session timeout, because the membership ends then.
func (p *Publisher) GroupState() cluster.GroupState { return p.group.State() }
