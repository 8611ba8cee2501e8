package farmtest

// Delete makes the service answer as if the queue, fleet or farm with this id did not exist, until Restore is called.
// Requests about anything in it are answered with ResourceNotFoundException, which names it. That includes requests
// about sessions of the fleet's workers. ListSessions leaves these out.
func (c *Cloud) Delete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deleted[id] = true
}

// Restore undoes Delete. Nothing that happened in between is lost.
func (c *Cloud) Restore(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.deleted, id)
}

// existing returns a function that appends an entry of a list, as the given one does, unless the entry is deleted.
func existing[T interface{ ID() string }](c *Cloud, entry func([]byte, T) []byte) func([]byte, T) []byte {
	return func(b []byte, v T) []byte {
		if c.deleted[v.ID()] {
			return nil
		}
		return entry(b, v)
	}
}

// deletedPart returns the kind and the id of what is deleted of the places where a session is: its farm, its queue or its
// worker's fleet. Without a session id they are those of a job.
func (c *Cloud) deletedPart(id sessionIdentifier) (kind, missing string) {
	switch s := c.sessions[id.SessionID]; {
	case c.deleted[id.FarmID]:
		return "farm", id.FarmID
	case c.deleted[id.QueueID]:
		return "queue", id.QueueID
	case s != nil && c.deleted[s.worker.fleet.id]:
		return "fleet", s.worker.fleet.id
	}
	return "", ""
}
