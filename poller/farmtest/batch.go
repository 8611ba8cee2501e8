package farmtest

// itemError is what the answer of a batch operation says in the place of a worker or a session. Without a code it says
// nothing.
type itemError struct{ code, message string }

// itemNotFound is the error for an item of which the resource with the id does not exist.
func itemNotFound(kind, id string) *itemError {
	return &itemError{"ResourceNotFoundException", notFoundMessage(kind, id)}
}

// writeBatch returns the body of an answer of a batch operation. The function item appends one item, or returns the error
// that is in its place.
func writeBatch[T batchIdentifier](p *page, ids []T, item func(*page, []byte, T) ([]byte, *itemError)) []byte {
	b := append(make([]byte, 0, 700*len(ids)+64), '{')
	b = append(appendName(b, p.req.operation.listKey()), '[')
	begin, written, corrupted := len(b), 0, p.entryToCorrupt(len(ids))
	var errors []byte
	for _, id := range ids {
		mark := len(b)
		if written > 0 {
			b = append(b, ',')
		}
		start := len(b)
		longer, fail := item(p, b, id)
		if fail != nil {
			b, errors = b[:mark], fail.appendTo(errors, id)
			continue
		}
		b = longer
		if written == corrupted {
			b = p.corrupt(b, start, true)
		} else {
			b = p.withUnknown(b)
		}
		written++
	}
	b = append(appendName(p.closeList(b, begin), "errors"), '[')
	b = append(append(b, errors...), "]}"...)
	return p.withUnknown(b)
}

// workerItem appends the worker as BatchGetWorker shows it.
func (c *Cloud) workerItem(p *page, b []byte, id workerIdentifier) ([]byte, *itemError) {
	farm := c.farmByID[id.FarmID]
	if farm == nil || c.deleted[id.FarmID] {
		return nil, itemNotFound("farm", id.FarmID)
	}
	fleet := farm.fleetByID[id.FleetID]
	if fleet == nil || c.deleted[id.FleetID] {
		return nil, itemNotFound("fleet", id.FleetID)
	}
	w := fleet.workerByID[id.WorkerID]
	if w == nil {
		return nil, itemNotFound("worker", id.WorkerID)
	}
	t := target{operation: BatchGetWorker, fleet: fleet, fleetID: fleet.id, workerID: w.id}
	if fail := c.itemFault(t, "fleet", id.FleetID); fail != nil {
		return nil, fail
	}
	p.noteShown(w.id)
	return p.worker(b, w), nil
}

// sessionItem appends the session as BatchGetSession shows it.
func (c *Cloud) sessionItem(p *page, b []byte, id sessionIdentifier) ([]byte, *itemError) {
	s, st, kind, missing := c.find(p, id)
	if s == nil {
		return nil, itemNotFound(kind, missing)
	}
	if fail := c.itemFault(s.target(p), "queue", id.QueueID); fail != nil {
		return nil, fail
	}
	p.noteShown(s.id)
	return appendSession(b, s, st, true), nil
}

// itemFault draws a fault of an item, which is in the resource with the kind and the id. It returns nil if there is none.
func (c *Cloud) itemFault(t target, kind, id string) *itemError {
	f, struck := c.faults.entry(t, ItemServerError, ItemInvalid, ItemElsewhere, ItemUnknownCode, ItemOmitted)
	if !struck {
		return nil
	}
	switch f.Kind {
	case ItemServerError:
		return &itemError{"InternalServerErrorException", "An internal error occurred."}
	case ItemInvalid:
		return &itemError{"ValidationException", "The identifier is not valid."}
	case ItemElsewhere:
		return itemNotFound(kind, id)
	case ItemUnknownCode:
		return &itemError{"ConflictException", "The resource is being changed."}
	default:
		return &itemError{}
	}
}

// appendTo appends the error to the list of the answer's errors.
func (e *itemError) appendTo(b []byte, id batchIdentifier) []byte {
	if e.code == "" {
		return b
	}
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(b, '{')
	for _, member := range id.members() {
		b = appendMember(b, member[0], member[1])
	}
	b = appendMember(b, "code", e.code)
	return append(appendMember(b, "message", e.message), '}')
}

// withUnknown adds an undocumented member to the object at the end of b, if the fault UnknownFields applies.
func (p *page) withUnknown(b []byte) []byte {
	if !p.fired.has(UnknownFields) {
		return b
	}
	b = append(appendName(b[:len(b)-1], "comingSoon"), `{"a":[1,null,{}]}`...)
	return append(b, '}')
}
