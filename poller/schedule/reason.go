package schedule

// Reason is why a request got no usable answer, or why a list was discarded. Its values are also those of the metrics'
// labels.
type Reason string

// The reasons of requests.
const (
	Throttled        Reason = "throttled"               // status 429
	ServerError      Reason = "server_error"            // a status of 500 or more
	Timeout          Reason = "timeout"                 // no complete answer in time
	Connection       Reason = "connection"              // no connection, or it broke before there was an answer
	Malformed        Reason = "malformed"               // an answer with a good status that cannot be read
	Denied           Reason = "denied"                  // a policy does not allow the operation
	Credentials      Reason = "credentials"             // there are none, or the service refuses them
	Unfetched        Reason = "credentials_unavailable" // they cannot be fetched now, but may be later
	ResourceNotFound Reason = "not_found"               // status 404
	Refused          Reason = "refused"                 // any other status from 300 to 499
	Cancelled        Reason = "cancelled"               // the poller gave the request up itself
	Other            Reason = "other"                   // anything else
)

// The reasons why pages that could be read are not a complete list.
const (
	RepeatedToken Reason = "repeated_token" // the service returned a page token twice
	NoList        Reason = "no_list"        // a page has no list, or null instead
	MissingField  Reason = "missing_field"  // an entry lacks a field that the API requires
	FieldTooLong  Reason = "field_too_long" // an entry has a text of more than 4 KiB
	ReservedID    Reason = "reserved_id"    // a session has an id that stands for something else
	TooManyPages  Reason = "too_many_pages" // the pages did not end
)

// isTransient reports whether the same request may succeed if it is sent again soon.
func (r Reason) isTransient() bool {
	switch r {
	case Throttled, ServerError, Timeout, Connection, Malformed:
		return true
	}
	return false
}

// isOfOneSession reports whether a failure may concern only the session that was looked up, or its queue and job. Then the
// next session may succeed.
func (r Reason) isOfOneSession() bool {
	switch r {
	case ResourceNotFound, Denied, Refused, ServerError, Malformed:
		return true
	}
	return false
}

// isOfOneWorker reports whether a listing was answered that was discarded for the reason, and only its worker is at fault.
func (r Reason) isOfOneWorker() bool {
	return r == FieldTooLong || r == ReservedID || r == TooManyPages
}

// mayBeShared reports whether a listing that was discarded for the reason may say something of others, too. Credentials are
// the fault of none.
func (r Reason) mayBeShared() bool { return !r.isOfOneWorker() && r != Credentials && r != Unfetched }
