package farmwire

import "farmwire/diff"

// heldBack are the observations of a shard that wait, because their changes would be written to a partition that has no
// leader. Everything else is published meanwhile. They are compared again when they are released, and the poller is not told
// that they are committed. So their workers are not asked again, and each has at most one observation here.
type heldBack struct {
	observations []diff.Observation // in the order in which they arrived
	partitions   map[string]string  // the partition that is waited for, by worker id
}

// hold begins to hold the observations of a worker back, and those of its namesakes, see snapshots.
func (h *heldBack) hold(o diff.Observation, partition string) {
	if h.partitions == nil {
		h.partitions = make(map[string]string)
	}
	h.partitions[o.Worker.WorkerID] = partition
}

// holds reports whether an observation must wait.
func (h *heldBack) holds(o diff.Observation) bool { return h.partitions[o.Worker.WorkerID] != "" }

// holdsChanges reports whether the observation of the changes must wait.
func (h *heldBack) holdsChanges(c diff.Changes) bool { return h.partitions[c.Worker.WorkerID] != "" }

// admit returns the observations that need not wait, and keeps the others.
func (h *heldBack) admit(batch []diff.Observation) []diff.Observation {
	var admitted []diff.Observation
	for _, o := range batch {
		if h.holds(o) {
			h.observations = append(h.observations, o)
		} else {
			admitted = append(admitted, o)
		}
	}
	return admitted
}

// release returns all observations, and holds nothing back any more.
func (h *heldBack) release() []diff.Observation {
	all := h.observations
	*h = heldBack{}
	return all
}

// waiting returns how many observations wait, by partition, or nil if there are none.
func (h *heldBack) waiting() map[string]int {
	if len(h.observations) == 0 {
		return nil
	}
	n := make(map[string]int)
	for _, o := range h.observations {
		n[h.partitions[o.Worker.WorkerID]]++
	}
	return n
}
